"""The demo: a drawn world, networks that learnt shortcuts in it, and an explained mistake."""
