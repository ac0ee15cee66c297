//! Evidence formats: bytes to typed structs, layout rules only.
//!
//! Nothing here is trusted and nothing here is judged: a value of these types says "these bytes have this shape" and no
//! more. No cryptography, no I/O, no allocation of a size the sender chose. One module per binary format, and one for the
//! documents in which tools wrap them; every offset names the document it comes from.

pub mod bundle;
mod cursor;
mod error;
pub mod hcl;
pub mod open_enclave;
pub mod pem;
pub mod sgx;
pub mod snp;

pub use error::ParseError;
