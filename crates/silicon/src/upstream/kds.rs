//! AMD's key distribution service (AMD, *Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface
//! Specification*, publication 57230, section 4).

use super::View;
use super::message::{Query, VendorRequest};
use super::reply::{Content, Failure, Refusal, Reply};
use crate::amd::{Product, Tcb, VekKind, find};

pub(super) fn reply(view: &View<'_>, request: &VendorRequest) -> Result<Reply, Failure> {
    let parts: Vec<&str> = request.path.split('/').collect();
    let ("GET", ["", kind, "v1", product, leaf]) = (request.method.as_str(), parts.as_slice()) else {
        return Err(Refusal::NOT_FOUND.into());
    };
    let kind: VekKind = kind.parse().map_err(|_| Refusal::NOT_FOUND)?;
    let named = |known: &Product| known.vendor_name() == *product;
    let product = Product::ALL.into_iter().find(named).ok_or(Refusal::NOT_FOUND)?;
    match (kind, *leaf) {
        (_, "cert_chain") => cert_chain(view, product, kind),
        (_, "crl") => crl(view, product, kind),
        (VekKind::Vcek, hwid) => vcek(view, product, hwid, &Query::parse(&request.query)),
        (VekKind::Vlek, _) => Err(Refusal::NOT_FOUND.into()),
    }
}

fn cert_chain(view: &View<'_>, product: Product, kind: VekKind) -> Result<Reply, Failure> {
    let kind = if view.circumstances.other_document { kind.other() } else { kind };
    let chain = view.amd(product, kind)?.chain(product, kind)?.map(<[u8]>::to_vec);
    Ok(Reply::of(Content::PemCertificates(chain.to_vec())))
}

/// The list of a product's root, the same for both kinds of keys.
fn crl(view: &View<'_>, product: Product, kind: VekKind) -> Result<Reply, Failure> {
    let product = if view.circumstances.other_document { product.other() } else { product };
    let amd = view.amd(product, kind)?;
    view.kept(&format!("crl {product:?} {}", amd.revision()), || {
        Ok(Reply::of(Content::Crl(amd.crl(product, view.circumstances.amd_issue())?)))
    })
}

fn vcek(view: &View<'_>, product: Product, hwid: &str, query: &Query<'_>) -> Result<Reply, Failure> {
    let hwid = hex::decode(hwid).map_err(|_| Refusal::BAD_REQUEST)?;
    if hwid.len() != product.chip_id_size() {
        return Err(Refusal::BAD_REQUEST.into());
    }
    let tcb = tcb(product, query)?;
    throttle(view)?;
    let chip = find(view.dir(), product, &hwid)?.ok_or(Refusal::NOT_FOUND)?;
    let chip = if view.circumstances.other_document { chip.other() } else { chip };
    let amd = view.amd(product, VekKind::Vcek)?;
    let certificate = amd.certify(product, &chip, tcb, view.circumstances.amd_issue())?;
    Ok(Reply::of(Content::Certificate(certificate)))
}

/// Every security version of the product, once and in decimal, and nothing else.
fn tcb(product: Product, query: &Query<'_>) -> Result<Tcb, Failure> {
    let names: &[&str] = match product {
        Product::Milan | Product::Genoa => &["blSPL", "teeSPL", "snpSPL", "ucodeSPL"],
        Product::Turin => &["fmcSPL", "blSPL", "teeSPL", "snpSPL", "ucodeSPL"],
    };
    if query.names().any(|name| !names.contains(&name)) {
        return Err(Refusal::BAD_REQUEST.into());
    }
    let spl = |name: &str| -> Result<u8, Failure> {
        if !names.contains(&name) {
            return Ok(0);
        }
        let digits = query.required(name)?;
        let decimal = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| decimal).ok_or_else(|| Refusal::BAD_REQUEST.into())
    };
    Ok(Tcb {
        fmc: spl("fmcSPL")?,
        boot_loader: spl("blSPL")?,
        tee: spl("teeSPL")?,
        snp: spl("snpSPL")?,
        microcode: spl("ucodeSPL")?,
    })
}

/// One VCEK in so many seconds, if the service is so slow.
fn throttle(view: &View<'_>) -> Result<(), Refusal> {
    let (now, mut memory) = (view.circumstances.now, view.service.memory());
    let since = memory.last_vcek.map_or(i64::MAX, |last| now.saturating_sub(last));
    let left = view.service.vcek_interval.saturating_sub(since);
    if left > 0 {
        return Err(Refusal::too_many(left));
    }
    memory.last_vcek = Some(now);
    Ok(())
}
