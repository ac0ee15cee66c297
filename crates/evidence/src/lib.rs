//! Evidence formats: bytes to typed structs, layout rules only.
//!
//! Nothing here is trusted and nothing here is judged: a value of these types says "these bytes have this shape" and no
//! more. No cryptography, no I/O, no allocation of a size the sender chose. One module per binary format; every offset
//! names the document it comes from.

mod cursor;
mod error;
pub mod open_enclave;
pub mod sgx;

pub use error::ParseError;
