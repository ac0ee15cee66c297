//! A report whose fields stand in JSON one by one, as the `sev` library of Rust and go-sev-guest (`sevsnp.Report` in the JSON
//! of protocol buffers) serialise it.
//!
//! Its bytes are put together again; only what verifies over those bytes counts, so a field left out or misread here costs
//! the signature and nothing else. What the libraries leave out is zero in genuine reports.

use serde_json::{Map, Value};

use super::document;
use super::json::{member, refuse_twins, sized_bytes};
use crate::ParseError;
use crate::snp::REPORT_SIZE;

type Members = Map<String, Value>;

/// Whether an object is a report, and not one around it.
pub(super) fn is_report(members: &Members) -> bool {
    let fields = Fields(members);
    ["report_data", "measurement", "signature"].into_iter().all(|name| fields.get(name).is_some())
}

/// The report's bytes.
pub(super) fn parse(members: &Members) -> Result<Vec<u8>, ParseError> {
    refuse_twins(members)?;
    let mut report = vec![0; REPORT_SIZE];
    let mut writer = Writer { fields: Fields(members), report: &mut report };
    for name in ["version", "policy"] {
        writer.fields.required(name)?;
    }
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
    writer.processor()?;
    writer.signature()?;
    Ok(report)
}

/// Name, offset, size. `version` and `policy` are in every report; the others are zero when they are missing.
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

/// Family, model and stepping in one number, as the processor gives them.
const CPUID: (&str, usize) = ("cpuid1eax_fms", 0x188);
/// Where go-sev-guest has names of its own.
const OTHER_NAMES: &[(&str, &str)] =
    &[("sig_algo", "signature_algo"), ("plat_info", "platform_info"), ("key_info", "signer_info")];

/// The members by their names with underscores. Protocol buffers write `reportData` for `report_data`.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a Members);

impl<'a> Fields<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        let other = OTHER_NAMES.iter().find(|(known, _)| *known == name).map(|(_, other)| *other);
        let of = |name: &str| member(self.0, name).or_else(|| member(self.0, &name.replace('_', "")));
        of(name).or_else(|| of(other?))
    }

    fn required(self, name: &str) -> Result<&'a Value, ParseError> {
        self.get(name).ok_or_else(|| wrong(name))
    }

    /// Zero when it is missing: protocol buffers leave zeros out.
    fn number(self, name: &str) -> Result<u64, ParseError> {
        self.get(name).map_or(Ok(0), |value| number(value).ok_or_else(|| wrong(name)))
    }
}

/// Protocol buffers write numbers of 64 bits as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

struct Writer<'a> {
    fields: Fields<'a>,
    report: &'a mut [u8],
}

impl Writer<'_> {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let area = self.report.iter_mut().skip(offset);
        area.zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn number(&mut self, name: &str, offset: usize, size: usize) -> Result<(), ParseError> {
        let number = self.fields.number(name)?;
        let (bytes, beyond) = (number.to_le_bytes(), number.checked_shr(bits(size)).unwrap_or_default());
        if beyond != 0 {
            return Err(wrong(name));
        }
        self.put(offset, bytes.get(..size).unwrap_or_default());
        Ok(())
    }

    fn bytes(&mut self, name: &str, offset: usize, size: usize) -> Result<(), ParseError> {
        let found = sized_bytes(self.fields.required(name)?, size).ok_or_else(|| wrong(name))?;
        self.put(offset, &found);
        Ok(())
    }

    /// As one number, or part by part: with an FMC it has the layout of Turin then, without one the older.
    fn tcb(&mut self, name: &str, offset: usize) -> Result<(), ParseError> {
        let Some(tcb) = self.fields.required(name)?.as_object() else {
            return self.number(name, offset, 8);
        };
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

    /// An object, or `current_build` and so on beside each other.
    fn firmware(&mut self, name: &str, offset: usize) -> Result<(), ParseError> {
        let nested = self.fields.get(name).and_then(Value::as_object);
        let part = |part: &str| {
            let found = match nested {
                Some(version) => version.get(part).and_then(Value::as_u64),
                None => Some(self.fields.number(&format!("{name}_{part}"))?),
            };
            found.and_then(|number| u8::try_from(number).ok()).ok_or_else(|| wrong(name))
        };
        let bytes = [part("build")?, part("minor")?, part("major")?];
        self.put(offset, &bytes);
        Ok(())
    }

    fn processor(&mut self) -> Result<(), ParseError> {
        let (name, offset) = CPUID;
        let Some(value) = self.fields.get(name) else { return Ok(()) };
        let bytes = number(value).and_then(family_model_stepping).ok_or_else(|| wrong(name))?;
        self.put(offset, &bytes);
        Ok(())
    }

    /// The 512 bytes as they are, or the two numbers one by one.
    fn signature(&mut self) -> Result<(), ParseError> {
        let signature = self.fields.required("signature")?;
        let Some(numbers) = signature.as_object() else {
            return self.bytes("signature", 0x2a0, 512);
        };
        for (name, offset) in [("r", 0x2a0), ("s", 0x2e8)] {
            let number = numbers.get(name).and_then(|number| sized_bytes(number, 72));
            self.put(offset, &number.ok_or_else(|| wrong("signature"))?);
        }
        Ok(())
    }
}

/// EAX of CPUID function 1 (AMD, *Architecture Programmer's Manual*, volume 3, appendix E): stepping in bits 3:0, model in
/// 7:4 and 19:16, family as the sum of 11:8 and 27:20.
fn family_model_stepping(eax: u64) -> Option<[u8; 3]> {
    const RESERVED: u64 = !0x0fff_0fff;
    let bits = |shift: u32, mask: u64| eax.checked_shr(shift).unwrap_or_default() & mask;
    let (base, extended) = (u8::try_from(bits(8, 0xf)).ok()?, u8::try_from(bits(20, 0xff)).ok()?);
    let model = u8::try_from(bits(4, 0xf) | (bits(16, 0xf) << 4)).ok()?;
    let stepping = u8::try_from(bits(0, 0xf)).ok()?;
    let family = base.checked_add(extended)?;
    Some([family, model, stepping]).filter(|_| eax & RESERVED == 0)
}

fn bits(size: usize) -> u32 {
    u32::try_from(size.saturating_mul(8)).unwrap_or(u32::MAX)
}

fn wrong(name: &str) -> ParseError {
    document(format!("the report's member `{name}` is missing or not as it should be"))
}
