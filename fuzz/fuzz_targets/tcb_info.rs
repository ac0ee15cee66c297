//! Any text as TCB info: no panic, and a level that is found is one that is listed.
#![no_main]

use assay_verify::intel::TcbInfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(info) = TcbInfo::parse(bytes) {
        let _ = info.is_ordered();
        if let Some(level) = info.level_of(&[7; 16], 7) {
            assert!(level.pce_svn <= 7 && level.components.iter().all(|svn| *svn <= 7));
        }
    }
});
