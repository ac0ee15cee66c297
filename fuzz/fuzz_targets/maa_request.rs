//! Any bytes as the bodies that strangers may send: attest requests, messages of the TPM protocol, policy documents.
#![no_main]

use assay_service::maa::read_anonymous_messages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| read_anonymous_messages(data));
