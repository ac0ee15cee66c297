//! Any text as a QE identity: no panic, and a level that is found is one that is reached.
#![no_main]

use assay_verify::intel::QeIdentity;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(identity) = QeIdentity::parse(bytes) {
        if let Some(level) = identity.level_of(7) {
            assert!(level.isv_svn <= 7);
        }
    }
});
