//! The old form: lines of KEY=VALUE. The library takes all white space out of a line, passes over lines that begin with `#`,
//! and of every other one takes what stands before and after the first `=`.

use std::ops::Range;

use super::finding::{Code, Findings};
use super::settings::{KEYS, Set, Settings, unknown};

/// What only JSON files can set.
const JSON_ONLY: [&str; 1] = ["CUSTOM_REQUEST_OPTIONS"];

/// The settings of a file; `None` for one without any.
pub(super) fn read(text: &str, findings: &mut Findings) -> Option<Settings> {
    let names = KEYS.map(str::to_ascii_uppercase);
    let names: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !JSON_ONLY.contains(name)).collect();
    let mut reader = Reader { settings: Settings::default(), seen: Vec::new(), names, findings };
    let mut offset = 0_usize;
    for line in text.split_inclusive('\n') {
        let start = offset.saturating_add(line.len().saturating_sub(line.trim_start().len()));
        reader.line(line.trim(), start);
        offset = offset.saturating_add(line.len());
    }
    let Reader { settings, seen, .. } = reader;
    if seen.is_empty() {
        let message = "there is no setting here, so the library falls back to its defaults";
        findings.add(
            Code::NoSettings,
            &(0..0),
            message,
            "a file is a JSON object that begins with `{`, or lines of KEY=VALUE",
        );
        return None;
    }
    let message = "lines of KEY=VALUE are the old form";
    let help =
        "JSON can say more (`custom_request_options`); `assay collateral qcnl-config --url ...` writes it";
    findings.add(Code::OldForm, &(0..0), message, help);
    Some(settings)
}

struct Reader<'f, 'n> {
    settings: Settings,
    seen: Vec<String>,
    names: Vec<&'n str>,
    findings: &'f mut Findings,
}

impl Reader<'_, '_> {
    /// A line without the space around it, which begins at `start`.
    fn line(&mut self, line: &str, start: usize) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let Some((key, value)) = line.split_once('=') else {
            let message = "the line is ignored: there is no `=` in it";
            return self.findings.note(
                Code::LineIgnored,
                &(start..start.saturating_add(line.len())),
                message,
            );
        };
        let key_span = start..start.saturating_add(key.trim_end().len());
        let value_start = start.saturating_add(line.len()).saturating_sub(value.trim_start().len());
        let value_span = value_start..start.saturating_add(line.len());
        let compact = |text: &str| text.split_whitespace().collect::<String>();
        let (key, value) = (compact(key), compact(value));
        if !self.names.contains(&key.as_str()) {
            return unknown(&key, &key_span, &self.names, self.findings);
        }
        if let Some(position) = value.find('#').filter(|position| *position > 0) {
            let message = format!("the comment becomes part of the value of `{key}`");
            let help =
                format!("put it on a line of its own: `{}`", value.get(..position).unwrap_or_default());
            self.findings.add(Code::CommentInValue, &value_span, message, help);
        }
        if self.seen.contains(&key) {
            let message = format!("`{key}` stands here again, and the library takes the last one");
            self.findings.note(Code::DuplicateKey, &key_span, message);
        }
        self.take(&key, value, &value_span);
        self.seen.push(key);
    }

    fn take(&mut self, key: &str, value: String, span: &Range<usize>) {
        let text = |value| Some(Set { value, span: span.clone() });
        match key {
            "PCCS_URL" => self.settings.pccs_url = text(value),
            "COLLATERAL_SERVICE" => self.settings.collateral_service = text(value),
            "LOCAL_PCK_URL" => self.settings.local_pck_url = text(value),
            "PCCS_API_VERSION" => self.settings.api_version = text(value),
            "TCB_UPDATE_TYPE" => self.settings.update_type = text(value),
            "USE_SECURE_CERT" => self.settings.secure = self.word(key, &value, false, span),
            "LOCAL_CACHE_ONLY" => self.settings.local_cache_only = self.word(key, &value, true, span),
            "RETRY_TIMES" => self.settings.retry_times = self.number(key, &value, span),
            "RETRY_DELAY" => self.settings.retry_delay = self.number(key, &value, span),
            "PCK_CACHE_EXPIRE_HOURS" => self.settings.pck_hours = self.hours(key, &value, span),
            _ => self.settings.collateral_hours = self.hours(key, &value, span),
        }
    }

    /// The library compares with one word, in upper or lower case, and takes everything else for the other.
    fn word(&mut self, key: &str, value: &str, sought: bool, span: &Range<usize>) -> Option<Set<bool>> {
        let words = [("FALSE", false), ("false", false), ("TRUE", true), ("true", true)];
        let known = words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning);
        if known.is_none() {
            let message =
                format!("the library takes only `TRUE` and `FALSE` for `{key}`; this means {}", !sought);
            self.findings.add(Code::ValueType, span, message, "write `TRUE` or `FALSE`");
        }
        Some(Set { value: known.unwrap_or(!sought), span: span.clone() })
    }

    /// As `std::stoi`: what follows the digits is passed over.
    fn number(&mut self, key: &str, value: &str, span: &Range<usize>) -> Option<Set<i32>> {
        let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let sign = value.len().saturating_sub(digits.len());
        let number = value.get(..sign.saturating_add(end)).and_then(|text| text.parse().ok());
        if number.is_none() || end < digits.len() {
            let message = match number {
                None => format!("`{key}` is ignored: its value is not a whole number"),
                Some(number) => format!("the library reads {number} here, and passes over the rest"),
            };
            self.findings.note(Code::ValueType, span, message);
        }
        number.map(|value: i32| Set { value, span: span.clone() })
    }

    fn hours(&mut self, key: &str, value: &str, span: &Range<usize>) -> Option<Set<f64>> {
        self.number(key, value, span).map(|Set { value, span }| Set { value: f64::from(value), span })
    }
}
