"""Which formula gives each figure that customer success teams ask for; contract tests walk through the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.portfolio import customers, engagement, revenue, surveys, value

FORMULAS: Mapping[str, tuple[Callable[..., Any], ...]] = {
    "customer retention": (customers.retention,),
    "value migration": (value.value_tier, value.tier_bounds, value.migration),
    "nine-box": (value.nine_box,),
    "referrals to lost customers": (customers.referral_ratio,),
    "logo churn": (customers.logo_churn,),
    "churn per year": (customers.annual_churn,),
    "gross MRR churn": (revenue.gross_mrr_churn, revenue.gross_revenue_retention),
    "net MRR churn": (revenue.net_mrr_churn,),
    "expansion MRR": (revenue.expansion_mrr,),
    "30-day averaging": (revenue.mrr_of_price,),
    "ARPA": (revenue.arpa,),
    "NPS": (surveys.nps,),
    "answers by touchpoint": (surveys.change,),
    "CSAT": (surveys.csat_share, surveys.mean_score),
    "surveys above 3.5": (surveys.share_above,),
    "CES": (surveys.ces_mean, surveys.ces_easy),
    "accounts green": (value.green_share, value.green_revenue_share),
    "DAU/MAU": (engagement.stickiness, engagement.l28_histogram),
    "engagement volume": (engagement.per_user,),
    "contact engagement": (customers.contacts_per_account,),
    "customer growth": (revenue.growth_slope,),
    "trial to paid": (customers.trial_to_paid,),
    "lifetime value": (revenue.lifetime_value,),
    "net revenue retention": (revenue.net_revenue_retention,),
}
