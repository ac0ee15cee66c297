//! The settings of a file as the library has them after reading it.

use std::ops::Range;

use assay_policy::nearest;

use super::finding::{Code, Findings};
use super::json::{self, Member, Node, Value};

/// A setting that the library took over, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Set<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// What the library took over; `None` where it keeps its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    pub(super) pccs_url: Option<Set<String>>,
    pub(super) collateral_service: Option<Set<String>>,
    pub(super) local_pck_url: Option<Set<String>>,
    pub(super) api_version: Option<Set<String>>,
    pub(super) update_type: Option<Set<String>>,
    pub(super) secure: Option<Set<bool>>,
    pub(super) retry_times: Option<Set<i32>>,
    pub(super) retry_delay: Option<Set<i32>>,
    pub(super) pck_hours: Option<Set<f64>>,
    pub(super) collateral_hours: Option<Set<f64>>,
    pub(super) local_cache_only: Option<Set<bool>>,
    /// Whether requests for certificates carry the header `metadata`.
    pub(super) has_metadata_header: bool,
}

/// The names, as JSON files have them.
pub(super) const KEYS: [&str; 12] = [
    "pccs_url",
    "use_secure_cert",
    "collateral_service",
    "tcb_update_type",
    "pccs_api_version",
    "retry_times",
    "retry_delay",
    "local_pck_url",
    "pck_cache_expire_hours",
    "verify_collateral_cache_expire_hours",
    "local_cache_only",
    "custom_request_options",
];

/// The settings of a JSON file; `None` for one that the library cannot read.
pub(super) fn of_json(text: &str, findings: &mut Findings) -> Option<Settings> {
    let root = match json::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let message =
                format!("{}: the library cannot read the file and falls back to its defaults", error.problem);
            findings.add(
                Code::Syntax,
                &error.at,
                message,
                "it then asks https://localhost:8081/sgx/certification/v4/",
            );
            return None;
        }
    };
    let Value::Object(members) = root.value else {
        findings.note(Code::NoSettings, &root.span, "the file is no JSON object, so it has no settings");
        return None;
    };
    let mut settings = Settings::default();
    for member in known(&members, &KEYS, findings) {
        settings.take(member, findings);
    }
    Some(settings)
}

/// The members with these names. Of two with one name the library takes the first.
fn known<'m>(members: &'m [Member], names: &[&str], findings: &mut Findings) -> Vec<&'m Member> {
    let mut found: Vec<&Member> = Vec::new();
    for member in members {
        let name = &member.name;
        if !names.contains(&name.as_str()) {
            unknown(name, &member.name_span, names, findings);
        } else if found.iter().any(|first| first.name == *name) {
            let message = format!("`{name}` stands here again, and the library takes the first one");
            findings.note(Code::DuplicateKey, &member.name_span, message);
        } else {
            found.push(member);
        }
    }
    found
}

/// A name that the library does not look for.
pub(super) fn unknown(name: &str, span: &Range<usize>, names: &[&str], findings: &mut Findings) {
    let shown: String = name.chars().take(60).collect();
    if let Some(known) = names.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        let message = format!("`{shown}` is ignored: upper and lower case matter");
        return findings.add(Code::KeyCase, span, message, format!("write `{known}`"));
    }
    let message = format!("`{shown}` is ignored: the library knows no such setting");
    match nearest(name, names.iter().copied()) {
        Some(known) => findings.add(Code::UnknownKey, span, message, format!("did you mean `{known}`?")),
        None => findings.note(Code::UnknownKey, span, message),
    }
}

impl Settings {
    fn take(&mut self, member: &Member, findings: &mut Findings) {
        let node = &member.node;
        match member.name.as_str() {
            "pccs_url" => self.pccs_url = text(member, findings),
            "collateral_service" => self.collateral_service = text(member, findings),
            "local_pck_url" => self.local_pck_url = text(member, findings),
            "pccs_api_version" => self.api_version = text(member, findings),
            "tcb_update_type" => self.update_type = text(member, findings),
            "use_secure_cert" => self.secure = boolean(member, findings),
            "local_cache_only" => self.local_cache_only = boolean(member, findings),
            "retry_times" => self.retry_times = whole(member, findings),
            "retry_delay" => self.retry_delay = whole(member, findings),
            "pck_cache_expire_hours" => self.pck_hours = hours(member, findings),
            "verify_collateral_cache_expire_hours" => self.collateral_hours = hours(member, findings),
            _ => self.has_metadata_header = request_options(node, findings),
        }
    }
}

fn set<T>(value: T, node: &Node) -> Option<Set<T>> {
    Some(Set { value, span: node.span.clone() })
}

/// A value of another type is passed over, as if it were not there.
fn ignored<T>(member: &Member, wanted: &str, findings: &mut Findings) -> Option<Set<T>> {
    let (name, kind) = (&member.name, member.node.value.kind());
    let message = format!("`{name}` is ignored: it is {kind}, and the library takes only {wanted}");
    let quoted =
        matches!(&member.node.value, Value::Text(text) if text.parse::<f64>().is_ok() || is_word(text));
    let help = if quoted { "write it without quotes".to_owned() } else { format!("give it {wanted}") };
    findings.add(Code::ValueType, &member.node.span, message, help);
    None
}

fn is_word(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

fn text(member: &Member, findings: &mut Findings) -> Option<Set<String>> {
    match &member.node.value {
        Value::Text(text) => set(text.clone(), &member.node),
        _ => ignored(member, "a string", findings),
    }
}

fn boolean(member: &Member, findings: &mut Findings) -> Option<Set<bool>> {
    match member.node.value {
        Value::Bool(value) => set(value, &member.node),
        _ => ignored(member, "`true` or `false`", findings),
    }
}

fn whole(member: &Member, findings: &mut Findings) -> Option<Set<i32>> {
    match member.node.value {
        Value::Int(value) => set(value, &member.node),
        _ => ignored(member, "a whole number", findings),
    }
}

fn hours(member: &Member, findings: &mut Findings) -> Option<Set<f64>> {
    match member.node.value {
        Value::Int(value) => set(f64::from(value), &member.node),
        Value::Double(value) => set(value, &member.node),
        _ => ignored(member, "a number", findings),
    }
}

/// `{"get_cert": {"headers": {...}, "params": {...}}}`; whether there is a header `metadata`.
fn request_options(node: &Node, findings: &mut Findings) -> bool {
    let Some(options) = object("custom_request_options", node, findings) else { return false };
    let mut has_header = false;
    for get_cert in known(options, &["get_cert"], findings) {
        let Some(parts) = object("get_cert", &get_cert.node, findings) else { continue };
        for part in known(parts, &["headers", "params"], findings) {
            for pair in object(&part.name, &part.node, findings).into_iter().flatten() {
                let Value::Text(value) = &pair.node.value else {
                    let _: Option<Set<String>> = ignored(pair, "a string", findings);
                    continue;
                };
                has_header |= part.name == "headers"
                    && pair.name.eq_ignore_ascii_case("metadata")
                    && value.eq_ignore_ascii_case("true");
            }
        }
    }
    has_header
}

fn object<'n>(name: &str, node: &'n Node, findings: &mut Findings) -> Option<&'n [Member]> {
    if let Value::Object(members) = &node.value {
        return Some(members);
    }
    let message =
        format!("`{name}` is ignored: it is {}, and the library takes only an object", node.value.kind());
    findings.note(Code::ValueType, &node.span, message);
    None
}
