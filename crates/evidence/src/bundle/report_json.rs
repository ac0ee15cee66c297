//! A report whose fields stand in JSON one by one, as the `sev` library of Rust serialises it.
//!
//! Its bytes are put together again; only what verifies over those bytes counts, so a field left out or misread here costs
//! the signature and nothing else. What the library leaves out is zero in genuine reports.

use serde_json::{Map, Value};

use super::document;
use super::json::bytes;
use crate::ParseError;
use crate::snp::REPORT_SIZE;

type Members = Map<String, Value>;

/// The report's bytes.
pub(super) fn parse(members: &Members) -> Result<Vec<u8>, ParseError> {
    let mut report = vec![0; REPORT_SIZE];
    let mut writer = Writer { members, report: &mut report };
    for (name, offset, size) in NUMBERS {
        writer.number(name, *offset, *size)?;
    }
    for (name, offset, size) in FIELDS {
        writer.bytes(name, *offset, *size)?;
    }
    for (name, offset) in TCBS {
        writer.tcb(name, *offset)?;
    }
    for (name, offset) in FIRMWARE {
        writer.firmware(name, *offset)?;
    }
    writer.signature()?;
    Ok(report)
}

/// Name, offset, size. The first two are in every report; the others are zero when they are missing.
const NUMBERS: &[(&str, usize, usize)] = &[
    ("version", 0x00, 4),
    ("policy", 0x08, 8),
    ("guest_svn", 0x04, 4),
    ("vmpl", 0x30, 4),
    ("sig_algo", 0x34, 4),
    ("plat_info", 0x40, 8),
    ("key_info", 0x48, 4),
    ("cpuid_fam_id", 0x188, 1),
    ("cpuid_mod_id", 0x189, 1),
    ("cpuid_step", 0x18a, 1),
    ("launch_mit_vector", 0x1f8, 8),
    ("current_mit_vector", 0x200, 8),
];
const FIELDS: &[(&str, usize, usize)] = &[
    ("family_id", 0x10, 16),
    ("image_id", 0x20, 16),
    ("report_data", 0x50, 64),
    ("measurement", 0x90, 48),
    ("host_data", 0xc0, 32),
    ("id_key_digest", 0xe0, 48),
    ("author_key_digest", 0x110, 48),
    ("report_id", 0x140, 32),
    ("report_id_ma", 0x160, 32),
    ("chip_id", 0x1a0, 64),
];
const TCBS: &[(&str, usize)] =
    &[("current_tcb", 0x38), ("reported_tcb", 0x180), ("committed_tcb", 0x1e0), ("launch_tcb", 0x1f0)];
const FIRMWARE: &[(&str, usize)] = &[("current", 0x1e8), ("committed", 0x1ec)];

struct Writer<'a> {
    members: &'a Members,
    report: &'a mut [u8],
}

impl Writer<'_> {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let area = self.report.iter_mut().skip(offset);
        area.zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn number(&mut self, name: &str, offset: usize, size: usize) -> Result<(), ParseError> {
        let Some(value) = self.members.get(name).filter(|value| !value.is_null()) else { return Ok(()) };
        let number = value.as_u64().ok_or_else(|| wrong(name))?;
        let (bytes, beyond) = (number.to_le_bytes(), number.checked_shr(bits(size)).unwrap_or_default());
        if beyond != 0 {
            return Err(wrong(name));
        }
        self.put(offset, bytes.get(..size).unwrap_or_default());
        Ok(())
    }

    fn bytes(&mut self, name: &str, offset: usize, size: usize) -> Result<(), ParseError> {
        let value = self.members.get(name).ok_or_else(|| wrong(name))?;
        let found = bytes(value)?;
        if found.len() != size {
            return Err(wrong(name));
        }
        self.put(offset, &found);
        Ok(())
    }

    /// With an FMC it has the layout of Turin, without one the older.
    fn tcb(&mut self, name: &str, offset: usize) -> Result<(), ParseError> {
        let tcb = self.members.get(name).and_then(Value::as_object).ok_or_else(|| wrong(name))?;
        let part = |part: &str| match tcb.get(part) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let svn = value.as_u64().and_then(|svn| u8::try_from(svn).ok());
                svn.map(Some).ok_or_else(|| wrong(name))
            }
        };
        let component = |name| part(name).map(Option::unwrap_or_default);
        let (boot_loader, tee) = (component("bootloader")?, component("tee")?);
        let (snp, microcode) = (component("snp")?, component("microcode")?);
        let bytes = match part("fmc")? {
            Some(fmc) => [fmc, boot_loader, tee, snp, 0, 0, 0, microcode],
            None => [boot_loader, tee, 0, 0, 0, 0, snp, microcode],
        };
        self.put(offset, &bytes);
        Ok(())
    }

    fn firmware(&mut self, name: &str, offset: usize) -> Result<(), ParseError> {
        let part = |part: &str| {
            // Older ones have them beside each other: `current_build` and so on.
            let nested = self.members.get(name).and_then(|version| version.get(part));
            let value = nested.or_else(|| self.members.get(&format!("{name}_{part}")));
            value
                .and_then(Value::as_u64)
                .and_then(|number| u8::try_from(number).ok())
                .ok_or_else(|| wrong(name))
        };
        let bytes = [part("build")?, part("minor")?, part("major")?];
        self.put(offset, &bytes);
        Ok(())
    }

    fn signature(&mut self) -> Result<(), ParseError> {
        let signature = self.members.get("signature").ok_or_else(|| wrong("signature"))?;
        for (name, offset) in [("r", 0x2a0), ("s", 0x2e8)] {
            let number = bytes(signature.get(name).ok_or_else(|| wrong("signature"))?)?;
            if number.len() != 72 {
                return Err(wrong("signature"));
            }
            self.put(offset, &number);
        }
        Ok(())
    }
}

fn bits(size: usize) -> u32 {
    u32::try_from(size.saturating_mul(8)).unwrap_or(u32::MAX)
}

fn wrong(name: &str) -> ParseError {
    document(format!("the report's member `{name}` is missing or not as it should be"))
}
