//! The attest use case, pure: a request, a provider and a moment go in; what to sign and what to record come out.
//!
//! The way of a request is one function, [`appraise()`]:
//!
//! ```text
//! bytes -> parse -> collateral -> verify -> Verified<Claims> -> policy -> token body -> decision record
//! ```
//!
//! The HTTP service, the command line, and an auditor's replay all call it. It also holds the one table of claims
//! ([`claims::all`]) that feeds tokens, the policy checker and the documentation.

mod appraise;
mod baseline;
pub mod claims;
mod endorsements;
mod evidence;
mod freshness;
mod hexadecimal;
mod policy;
mod record;
mod refusal;
mod request;
mod snp_trust;
mod token_body;
pub mod verdict;

pub use appraise::{Appraisal, ChallengeCheck, Moment, Provider, Verifier, appraise};
pub use baseline::{AZURE_DEFAULT, Baseline, KNOWN_BASELINES, SnpBaseline, SnpMinimum};
pub use endorsements::{
    AmdEndorsements, CollateralSource, Endorsements, LookedUpPck, RawAmd, RawEndorsements, RawIntelWithPck,
};
pub use evidence::{Beside, EvidenceKind};
pub use freshness::Freshness;
pub use policy::{ActivePolicy, default_policy, policy_hash};
pub use record::{DecisionRecord, Outcome, Replay, ReplayInputs, replay};
pub use refusal::{Refusal, RefusalClass};
pub use request::{AttachedData, AttestationType, DataType, Request};
pub use snp_trust::{CompliantImage, IssuerRecord, SnpTrust, SnpTrustRecord};
pub use token_body::{TOKEN_LIFE, TokenBody};
