#!/usr/bin/env bash
# Least privilege on Kafka: who may do what on which topic. Prints kafka-acls.sh commands; pipe them into a shell.
#
#   deploy/acls.sh --bootstrap-server kafka-1:9093 --command-config admin.properties | bash
#
# The brokers need authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer and
# allow.everyone.if.no.acl.found=false. Users: one foreshock-ingest-TOPIC for each producer, foreshock (workers),
# foreshock-deliver, foreshock-console, foreshock-ops (people, `dead-letters` and `topics`), and one for each subscriber.
set -euo pipefail

GROUP=${FORESHOCK_APP__GROUP:-foreshock}
INPUTS=(usage.events billing.events ticket.events customer.signals account.profiles alert.commands)
OUTPUTS=(alerts.raw alerts.health alerts.expansion alerts.shadow alerts.state account.health cases command.results dead.letters ledger fleet.days)
DELIVERED=(alerts.health alerts.expansion alerts.shadow account.health cases alert.commands command.results billing.events ticket.events customer.signals)

add() { # USER OPERATION... -- RESOURCE...
    local user=$1 operations=()
    shift
    while [[ $1 != -- ]]; do operations+=(--operation "$1"); shift; done
    shift
    printf 'kafka-acls.sh %s --add --allow-principal User:%s %s %s\n' "${CONNECTION:-}" "$user" "${operations[*]}" "$*"
}

printf -v CONNECTION '%q ' "$@"

for topic in "${INPUTS[@]}"; do
    add "foreshock-ingest-$topic" Write Describe -- --topic "$topic"
    # Workers write ticks into the input topics.
    add foreshock Read Write Describe DescribeConfigs -- --topic "$topic"
done
for topic in "${OUTPUTS[@]}"; do
    add foreshock Read Write Describe DescribeConfigs -- --topic "$topic"
done
add foreshock Read Describe -- --topic erasure.requests
add foreshock Read Write Describe DescribeConfigs -- --topic "$GROUP-" --resource-pattern-type prefixed
add foreshock Read Describe -- --group "$GROUP" --resource-pattern-type prefixed
add foreshock IdempotentWrite -- --cluster

for topic in "${DELIVERED[@]}"; do
    add foreshock-deliver Read Describe -- --topic "$topic"
done
add foreshock-deliver Write Describe -- --topic dead.letters
add foreshock-deliver Read Describe -- --group "$GROUP-deliver" --resource-pattern-type prefixed

# What people decide, and how far workers and delivery are.
for topic in alert.commands customer.signals; do
    add foreshock-console Write -- --topic "$topic"
done
add foreshock-console Describe -- --topic '*'
add foreshock-console Describe -- --group "$GROUP" --resource-pattern-type prefixed
add foreshock-console Read -- --topic ledger
add foreshock-console Read -- --group "$GROUP-console"

# Dead letters hold the original bytes: nobody but the operators reads them.
add foreshock-ops Read Describe -- --topic dead.letters
add foreshock-ops Read Describe -- --group foreshock-dead-letters
# `emit --max-lag` looks at how far the workers are.
add foreshock-ops Describe -- --group "$GROUP"
for topic in "${INPUTS[@]}"; do
    add foreshock-ops Write Describe -- --topic "$topic"
done
add foreshock-ops Create Describe -- --cluster
# `topics apply` and `topics check` compare and set the configuration of every topic.
add foreshock-ops Describe DescribeConfigs AlterConfigs -- --topic "'*'"

# A subscriber, as an example: reads alerts, in a group of its own.
for topic in alerts.health alerts.expansion alerts.shadow alerts.state account.health cases command.results; do
    add subscriber-crm Read Describe -- --topic "$topic"
done
add subscriber-crm Read Describe -- --group subscriber-crm --resource-pattern-type prefixed
