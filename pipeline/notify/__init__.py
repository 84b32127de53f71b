"""Who is told what of a case, and when: routes and cases in, messages out."""
