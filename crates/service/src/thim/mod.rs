//! Trusted hardware identity as clouds give it to their guests: a machine asks a link-local address for the certificates of
//! its own processor.
//!
//! The routes, headers and JSON are those of Azure's metadata service (Microsoft Learn, "Trusted Hardware Identity
//! Management"; member names as the clients of Azure, CCF and Confidential Containers read them):
//!
//! ```text
//! GET /metadata/THIM/amd/certification                   Metadata: true
//! GET /metadata/THIM/sgx/certification/v3|v4/pckcert?... Metadata: true
//! ```
//!
//! What is said is in [`answer`], who may ask in [`guard`]; [`agent`] is the daemon on a node that says it.

pub mod agent;
pub mod answer;
pub mod guard;
