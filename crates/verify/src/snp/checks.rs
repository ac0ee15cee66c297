//! Checks that need the report, its endorsement key certificate, and what is demanded of both.

use std::sync::Arc;

use assay_evidence::snp::Report as SnpReport;

use super::fields;
use super::rules::{
    CHIP_ID, CRL, INIT_TIME_DATA, NONCE, REPORT_SIGNATURE, RUNTIME_DATA, VEK_DATES, VEK_KIND, VEK_TCB,
    VLEK_PROVIDER,
};
use super::{AmdCrl, Context, CrlMode, Crls, SnpError, VerifiedVek, VlekProviders};
use crate::binding::{Binding, carries_nonce, is_hash_then_zeros};
use crate::crypto::sha256;
use crate::error::{CertificateRole, VerifyError};
use crate::report::{Outcome, Report};
use crate::time::{UnixTime, Window};

/// Whether the whole chain is valid now.
pub(super) fn dates(vek: &VerifiedVek, now: UnixTime, checks: &mut Report) {
    let windows = [
        (CertificateRole::Vek, vek.window),
        (CertificateRole::VekCa, vek.authority.window),
        (CertificateRole::Ark, vek.authority.root_window),
    ];
    let errors = windows.into_iter().filter_map(|(role, Window { from, until })| match () {
        () if now < from => Some(VerifyError::CertificateNotYetValid { role, from }),
        () if now > until => Some(VerifyError::CertificateExpired { role, until }),
        () => None,
    });
    let errors: Vec<VerifyError> = errors.collect();
    if errors.is_empty() {
        checks.pass(&VEK_DATES);
    }
    errors.into_iter().for_each(|error| checks.fail(&VEK_DATES, error));
}

pub(super) fn revocation(vek: &VerifiedVek, context: &Context<'_>, checks: &mut Report) {
    let (mode, lists) = match context.requirements.crls {
        Crls::NotGiven => return checks.note(&CRL, Outcome::Skipped, "no revocation list was given"),
        Crls::Refused(error) => return checks.fail(&CRL, error.clone().into()),
        Crls::Held(CrlMode::Off, _) => {
            return checks.note(&CRL, Outcome::Skipped, "revocation lists are switched off");
        }
        Crls::Held(mode, lists) => (mode, lists),
    };
    let mut of_authority: Vec<&Arc<AmdCrl>> =
        lists.iter().filter(|list| list.is_of(&vek.authority, context.anchors)).collect();
    // A serial that was ever listed stays revoked, however old the list is.
    if of_authority.iter().any(|list| list.lists(&vek.authority)) {
        return checks.fail(&CRL, VerifyError::CertificateRevoked { role: CertificateRole::VekCa });
    }
    of_authority.sort_by_key(|list| list.window.from);
    let product = vek.product();
    let current = match (of_authority.last(), lists) {
        (Some(list), _) => list.check_dates(context.now),
        // Somebody gave a list for this judgement, and it is for something else.
        (None, [list]) if mode == CrlMode::Require && list.product != product => {
            Err(SnpError::CrlProduct { found: list.product, expected: product })
        }
        (None, _) => Err(SnpError::CrlMissing { product }),
    };
    match (current, mode) {
        (Ok(()), _) => checks.pass(&CRL),
        (Err(error), CrlMode::Require) => checks.fail(&CRL, error.into()),
        (Err(error), _) => checks.note(&CRL, Outcome::Warn, format!("revocation is not known: {error}")),
    }
}

/// Is the certificate the one that this report needs?
pub(super) fn vek_fits(report: &SnpReport, vek: &VerifiedVek, context: &Context<'_>, checks: &mut Report) {
    let expected = report.key_info.signing_key();
    let kind = match expected {
        Some(expected) if expected != vek.kind() => {
            Err(SnpError::VekKind { found: vek.kind().as_str(), expected: expected.as_str() }.into())
        }
        _ => Ok(()),
    };
    checks.check(&VEK_KIND, kind);
    let (tcb, _) = report.reported_tcb.read(vek.product().tcb_layout());
    let pairs = tcb.components().into_iter().zip(vek.tcb.components());
    let different = pairs.filter_map(|((component, report), (_, certificate))| match (report, certificate) {
        (Some(report), Some(certificate)) if report != certificate => {
            Some(SnpError::VekTcb { component, certificate, report })
        }
        _ => None,
    });
    fields::all(&VEK_TCB, different.collect(), checks);
    match &vek.chip_id {
        Some(_) if report.is_chip_id_masked() => checks.fail(&CHIP_ID, SnpError::ChipIdMasked.into()),
        Some(chip_id) if *chip_id != report.chip_id => checks.fail(&CHIP_ID, SnpError::ChipId.into()),
        Some(_) => checks.pass(&CHIP_ID),
        None => checks.note(&CHIP_ID, Outcome::Skipped, "a VLEK is of a provider, not of a chip"),
    }
    check_provider(vek, context.requirements.vlek_providers, checks);
}

fn check_provider(vek: &VerifiedVek, trusted: VlekProviders<'_>, checks: &mut Report) {
    let Some(provider) = &vek.provider else {
        return checks.note(&VLEK_PROVIDER, Outcome::Skipped, "a VCEK is of no provider");
    };
    let (VlekProviders::Warn(listed) | VlekProviders::Only(listed)) = trusted;
    if listed.contains(provider) {
        return checks.pass(&VLEK_PROVIDER);
    }
    let error =
        SnpError::VlekProvider { found: provider.chars().filter(|c| !c.is_control()).take(64).collect() };
    match trusted {
        VlekProviders::Only(_) => checks.fail(&VLEK_PROVIDER, error.into()),
        VlekProviders::Warn(_) => checks.note(&VLEK_PROVIDER, Outcome::Warn, error.to_string()),
    }
}

/// Over the bytes received. Never cached.
pub(super) fn is_signed(report: &SnpReport, vek: &VerifiedVek) -> bool {
    vek.key.verify(report.signed(), &report.signature())
}

pub(super) fn signature(report: &SnpReport, vek: Option<&VerifiedVek>, checks: &mut Report) {
    if !fields::check_signature_range(report, checks) {
        return;
    }
    match vek {
        Some(vek) => {
            let error = || SnpError::ReportSignature.into();
            checks.check(&REPORT_SIGNATURE, is_signed(report, vek).then_some(()).ok_or_else(error));
        }
        None => checks.note(&REPORT_SIGNATURE, Outcome::Skipped, "there is no verified VEK to check it with"),
    }
}

pub(super) fn binding(report: &SnpReport, binding: &Binding<'_>, checks: &mut Report) {
    let mismatch = |data| VerifyError::BindingMismatch { data };
    match binding.runtime_data {
        Some(data) if is_hash_then_zeros(&report.report_data, &sha256(&[data])) => checks.pass(&RUNTIME_DATA),
        Some(_) => checks.fail(&RUNTIME_DATA, mismatch("runtime data")),
        None => checks.note(&RUNTIME_DATA, Outcome::Skipped, "no runtime data was given"),
    }
    match binding.nonce {
        Some(nonce) if carries_nonce(&report.report_data, binding.runtime_data, nonce) => checks.pass(&NONCE),
        Some(_) => checks.fail(&NONCE, mismatch("nonce")),
        None => checks.note(&NONCE, Outcome::Skipped, "no nonce was given"),
    }
    match binding.init_time_data {
        Some(data) if sha256(&[data]) == report.host_data => checks.pass(&INIT_TIME_DATA),
        Some(_) => checks.fail(&INIT_TIME_DATA, SnpError::InitTimeData.into()),
        None => checks.note(&INIT_TIME_DATA, Outcome::Skipped, "no init-time data was given"),
    }
}
