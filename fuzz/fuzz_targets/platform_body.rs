//! Any bytes as the bodies of PCCS's administration, `platforms` and `platformcollateral`: no panic, and documents that were
//! written with white space mean what they meant.
#![no_main]

use assay_service::identity::administration::read_bodies;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| read_bodies(data));
