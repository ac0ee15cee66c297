//! The section `collateral`.

use super::*;

/// Settings of an upstream, the line of the error counted from the head of its table, and the error.
type Case = (&'static str, usize, String);

fn check(cases: &[Case]) {
    let line = GOOD.lines().count() + 1;
    for (added, offset, expected) in cases {
        let errors = production(&format!("{GOOD}[[collateral.upstreams]]\n{added}\n")).unwrap_err();
        assert_eq!(errors, [format!("assay.toml:{}: {expected}", line + offset)], "{added}");
    }
}

#[test]
fn upstreams_have_presets() {
    let none = production(GOOD).unwrap().collateral;
    let expected = CollateralConfig {
        mode: CollateralMode::Lazy,
        serve_expired: false,
        refresh_hours: 24,
        archive_evaluations: 0,
        upstreams: vec![],
        administration: None,
    };
    assert_eq!(none, expected, "folders only");
    let text =
        format!("{GOOD}[[collateral.upstreams]]\nkind = \"pcs\"\n[[collateral.upstreams]]\nkind = \"kds\"\n");
    let upstreams = production(&text).unwrap().collateral.upstreams;
    let network = |requests_per_second| NetworkConfig {
        ca_file: None,
        timeout_seconds: 20,
        retries: 3,
        requests_per_second,
        burst: 10,
    };
    let pcs = UpstreamSource::Pcs {
        url: "https://api.trustedservices.intel.com".to_owned(),
        root_crl_url: "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der".to_owned(),
        registration_url: "https://api.trustedservices.intel.com".to_owned(),
        key_file: None,
    };
    let kds = UpstreamSource::Kds { urls: vec!["https://kdsintf.amd.com".to_owned()] };
    let expected = [
        UpstreamConfig { name: "pcs".to_owned(), source: pcs, network: network(10.0) },
        UpstreamConfig { name: "kds".to_owned(), source: kds, network: network(0.1) },
    ];
    assert_eq!(upstreams, expected);
}

#[test]
fn upstreams_are_read_and_printed_again() {
    let text = format!(
        "{GOOD}\n[collateral]\ndir = \"/c\"\nmode = \"registration\"\nserve_expired = true\nrefresh_hours = 6\n\
         archive_evaluations = 3\n\
         [[collateral.upstreams]]\nkind = \"folder\"\npath = \"/mirror\"\n\
         [[collateral.upstreams]]\nkind = \"pcs\"\nname = \"intel\"\nkey_file = \"/etc/assay/pcs.key\"\n\
         [[collateral.upstreams]]\nkind = \"pccs\"\nurl = \"https://pccs.example.org:8081/\"\nca_file = \"/ca.pem\"\n\
         timeout_seconds = 5\nretries = 0\nrequests_per_second = 2\nburst = 3\n\
         [[collateral.upstreams]]\nkind = \"bundle\"\npath = \"/b\"\nsigner = \"/b.jwk\"\n\
         [[collateral.upstreams]]\nkind = \"kds\"\nurl = [\"https://kds.example.org/amd\", \"https://kdsintf.amd.com\"]\n"
    );
    let config = production(&text).unwrap();
    let collateral = &config.collateral;
    assert_eq!(
        (collateral.mode, collateral.serve_expired, collateral.refresh_hours),
        (CollateralMode::Registration, true, 6)
    );
    assert_eq!(config.collateral_dirs, [Path::new("/c")]);
    let names: Vec<&str> = collateral.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    assert_eq!(names, ["folder", "intel", "pccs", "bundle", "kds"]);
    let bundle = UpstreamSource::Bundle { path: "/b".into(), signer: "/b.jwk".into() };
    assert_eq!((&collateral.upstreams[3].source, collateral.archive_evaluations), (&bundle, 3));
    let pccs = &collateral.upstreams[2];
    assert_eq!(
        pccs.source,
        UpstreamSource::Pccs { url: "https://pccs.example.org:8081".to_owned(), key_file: None }
    );
    let network = &pccs.network;
    assert_eq!((network.timeout_seconds, network.retries, network.burst), (5, 0, 3));
    assert!((network.requests_per_second - 2.0).abs() < f64::EPSILON, "an integer will do");
    assert_eq!(production(&config.to_redacted_toml()).unwrap(), config);
}

#[test]
fn variables_of_the_collateral() {
    let variables = [
        ("ASSAY_COLLATERAL_MODE", "offline"),
        ("ASSAY_COLLATERAL_SERVE_EXPIRED", "true"),
        ("ASSAY_COLLATERAL_REFRESH_HOURS", "12"),
        ("ASSAY_COLLATERAL_ARCHIVE_EVALUATIONS", "2"),
    ];
    let collateral = load(GOOD, &variables, &Overrides::default()).unwrap().collateral;
    assert_eq!(
        (collateral.mode, collateral.serve_expired, collateral.refresh_hours),
        (CollateralMode::Offline, true, 12)
    );
    assert_eq!(collateral.archive_evaluations, 2);
    let wrong = load(GOOD, &[("ASSAY_COLLATERAL_MODE", "eager")], &Overrides::default()).unwrap_err();
    let expected = "ASSAY_COLLATERAL_MODE: `eager` is not a mode of collateral; the modes are `lazy`, `registration` \
                    and `offline`";
    assert_eq!(wrong, [expected]);
}

#[test]
fn errors_in_upstreams_name_the_line() {
    let address =
        |text: &str| format!("`{text}` is not an https address such as `https://pccs.example.org:8081`");
    let cases: Vec<Case> = vec![
        ("kind = \"web\"", 1, "`web` is not a kind of upstream; the kinds are `pcs`, `pccs`, `kds`, `folder` and `bundle`".to_owned()),
        ("name = \"a\"", 0, "missing field `kind`".to_owned()),
        ("kind = \"pcs\"\nurl = \"http://intel\"", 2, address("http://intel")),
        ("kind = \"pcs\"\nurl = \"https://u:p@intel\"", 2, address("https://u:p@intel")),
        ("kind = \"pcs\"\nurl = \"https://intel?x\"", 2, address("https://intel?x")),
        ("kind = \"pcs\"\nroot_crl_url = \"intel/x.der\"", 2, address("intel/x.der")),
        ("kind = \"pcs\"\nregistration_url = \"http://a\"", 2, address("http://a")),
        (
            "kind = \"pcs\"\nregistration_url = \"https://a/sgx/registration/v1\"",
            2,
            "`https://a/sgx/registration/v1` has a path of the API; give the address of the server alone, \
             such as `https://pccs.example.org:8081`"
                .to_owned(),
        ),
        (
            "kind = \"pccs\"\nurl = \"https://pccs:8081/sgx/certification/v4/\"",
            2,
            "`https://pccs:8081/sgx/certification/v4/` has a path of the API; give the address of the server alone, \
             such as `https://pccs.example.org:8081`"
                .to_owned(),
        ),
        ("kind = \"pccs\"", 1, "an upstream of the kind `pccs` needs `url`, the address of the cache".to_owned()),
        ("kind = \"folder\"", 1, "an upstream of the kind `folder` needs `path`, the folder".to_owned()),
        (
            "kind = \"bundle\"\npath = \"/b\"",
            1,
            "an upstream of the kind `bundle` needs `signer`, the file with the public key of whoever signs it".to_owned(),
        ),
    ];
    check(&cases);
}

#[test]
fn settings_of_another_kind_are_errors() {
    let unused =
        |name: &str, kind: &str| format!("`{name}` means nothing for an upstream of the kind `{kind}`");
    let cases: Vec<Case> = vec![
        ("kind = \"kds\"\nkey_file = \"/k\"", 2, unused("key_file", "kds")),
        ("kind = \"kds\"\nroot_crl_url = \"https://a\"", 2, unused("root_crl_url", "kds")),
        ("kind = \"kds\"\nregistration_url = \"https://a\"", 2, unused("registration_url", "kds")),
        ("kind = \"pcs\"\npath = \"/m\"", 2, unused("path", "pcs")),
        ("kind = \"folder\"\npath = \"/m\"\nsigner = \"/k\"", 3, unused("signer", "folder")),
        ("kind = \"folder\"\npath = \"/m\"\nburst = 3", 3, unused("burst", "folder")),
        ("kind = \"folder\"\npath = \"/m\"\nurl = \"https://a\"", 3, unused("url", "folder")),
    ];
    check(&cases);
}

#[test]
fn numbers_and_names_of_upstreams_have_bounds() {
    let cases: Vec<Case> = vec![
        (
            "kind = \"pcs\"\nurl = [\"https://a\", \"https://b\"]",
            2,
            "`url` of the kind `pcs` must be one address".to_owned(),
        ),
        ("kind = \"kds\"\nurl = []", 2, "`url` of the kind `kds` must have 1 to 8 addresses".to_owned()),
        (
            "kind = \"pcs\"\nname = \"simulated\"",
            2,
            "`simulated` is the name of the simulated vendors of `--dev`; give it another one".to_owned(),
        ),
        (
            "kind = \"pcs\"\nname = \"In tel\"",
            2,
            "`In tel` is not a name of an upstream: 1 to 32 small letters, digits and hyphens".to_owned(),
        ),
        (
            "kind = \"pcs\"\n[[collateral.upstreams]]\nkind = \"pcs\"",
            3,
            "two upstreams have the name `pcs`; give each a `name` of its own".to_owned(),
        ),
        (
            "kind = \"pcs\"\ntimeout_seconds = 0",
            2,
            "`timeout_seconds` is 0; it must be from 1 to 120".to_owned(),
        ),
        ("kind = \"pcs\"\nretries = 7", 2, "`retries` is 7; it must be from 0 to 6".to_owned()),
        (
            "kind = \"pcs\"\nrequests_per_second = 0.0001",
            2,
            "`requests_per_second` is 0.0001; it must be from 0.001 to 1000".to_owned(),
        ),
        (
            "kind = \"pcs\"\nrequests_per_second = nan",
            2,
            "`requests_per_second` is NaN; it must be from 0.001 to 1000".to_owned(),
        ),
    ];
    check(&cases);
    let many = "[[collateral.upstreams]]\nkind = \"kds\"\n".repeat(17);
    let errors = production(&format!("{GOOD}{many}")).unwrap_err();
    assert!(errors.iter().any(|error| error.ends_with("there are more than 16 upstreams")), "{errors:?}");
    let line = GOOD.lines().count() + 1;
    for (added, expected) in [
        (
            "mode = \"eager\"",
            "`eager` is not a mode of collateral; the modes are `lazy`, `registration` and `offline`",
        ),
        ("refresh_hours = 0", "`refresh_hours` is 0; it must be from 1 to 720"),
        ("archive_evaluations = 61", "`archive_evaluations` is 61; it must be from 0 to 60"),
    ] {
        let errors = production(&format!("{GOOD}[collateral]\n{added}\n")).unwrap_err();
        assert_eq!(errors, [format!("assay.toml:{}: {expected}", line + 1)]);
    }
}
