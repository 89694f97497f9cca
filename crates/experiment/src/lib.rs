//! Typed TOML to plan, runs and verdicts.
