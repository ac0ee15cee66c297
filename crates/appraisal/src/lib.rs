//! The attest use case: verify, apply policy, say what to sign and what to record
