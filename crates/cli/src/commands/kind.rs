//! Kinds of evidence and documents on the command line, those of later releases included: they are named as such, and
//! not as a mistake of the caller; and options that belong to some kinds only.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::failure::Failure;

/// Who has the options of Intel's kinds.
pub(super) const INTEL: &str = "`sgx` and `open-enclave`";
/// Who has the options of AMD's kinds.
pub(super) const AMD: &str = "`snp` and `azure-cvm`";

/// Reads one of the `known` names; says of the `later` ones that they are not supported yet.
#[derive(Clone, Debug)]
pub(crate) struct KindParser<T: 'static> {
    pub(crate) known: &'static [(&'static str, T)],
    pub(crate) later: &'static [&'static str],
}

impl<T: Copy + Send + Sync + 'static> TypedValueParser for KindParser<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let name = value.to_string_lossy();
        if let Some((_, kind)) = self.known.iter().find(|(known, _)| *known == name) {
            return Ok(*kind);
        }
        if self.later.contains(&name.as_ref()) {
            let message = format!("`{name}` is not supported yet in this release\n");
            return Err(clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command));
        }
        let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
        error.insert(ContextKind::InvalidArg, ContextValue::String("<KIND>".to_owned()));
        error.insert(ContextKind::InvalidValue, ContextValue::String(name.into_owned()));
        let names = self.known.iter().map(|(known, _)| (*known).to_owned()).collect();
        error.insert(ContextKind::ValidValue, ContextValue::Strings(names));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.known.iter().map(|(known, _)| PossibleValue::new(*known))))
    }
}

/// Refuses options that were given and belong to other kinds: ignored, they would only seem to have been heeded.
pub(super) fn refuse_foreign(kind: &str, owners: &str, options: &[(&str, bool)]) -> Result<(), Failure> {
    match options.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::new(format!("`{name}` belongs to {owners}, and not to `{kind}`"))),
        None => Ok(()),
    }
}
