//! Any bytes as a bundle of collateral, as what imports left, and as pins: no panic, and what is read is written in one form.
#![no_main]

use assay_collateral::baseline::Pins;
use assay_collateral::bundle::{Bundle, Imported, sets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(bundle) = Bundle::read(bytes) {
        let _ = sets(&bundle.entries.documents);
        let text = bundle.write().expect("what is read is written");
        let again = Bundle::read(text.as_bytes()).expect("what is written is read");
        assert_eq!(again.write().as_deref(), Ok(text.as_str()));
    }
    if let Ok(imported) = Imported::read(bytes) {
        let text = imported.write().expect("what is read is written");
        assert_eq!(Imported::read(text.as_bytes()), Ok(imported));
    }
    if let Ok(pins) = Pins::from_json(bytes) {
        assert_eq!(Pins::from_json(pins.to_json().as_bytes()), Ok(pins));
    }
});
