//! Documents that are made from code say what the code says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[test]
fn the_page_of_claims_is_the_table() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/claims.md");
    let table = assay_appraisal::claims::markdown();
    if std::env::var_os("ASSAY_UPDATE_DOCS").is_some() {
        std::fs::write(&page, &table).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&page).unwrap_or_default(),
        table,
        "run with ASSAY_UPDATE_DOCS=1 to write it"
    );
}
