//! The table of defects: name, how the sample is broken, which rule that breaks, and what breaks it.

use super::Fault::{self, After, Bytes, Chain, Cwt, Keys, Legacy, Message, Stamp, Token};
use super::{certificates, envelope, stamp};

crate::table::defects! {
    // The chain.
    LeafSignature, "leaf-signature",
        "the leaf is signed with another key than its authority's",
        "each certificate is signed by the next",
        Chain(certificates::leaf_signature);
    CaSignature, "ca-signature",
        "the CA is signed with another key than the root's",
        "each certificate is signed by the next",
        Chain(certificates::ca_signature);
    LeafIssuerName, "leaf-issuer-name",
        "the leaf names the root as its issuer, and the CA signed it",
        "each certificate is issued by the next",
        Chain(certificates::leaf_issuer);
    LeafIsCa, "leaf-is-ca",
        "the leaf is a CA",
        "the leaf is no CA",
        Chain(certificates::leaf_is_ca);
    LeafKeyUsage, "leaf-key-usage",
        "the leaf's key is for enciphering",
        "the leaf's key may sign documents",
        Chain(certificates::leaf_key_usage);
    LeafWithoutKeyUsage, "leaf-without-key-usage",
        "the leaf does not say what its key is for",
        "the leaf's key may sign documents",
        Chain(certificates::leaf_without_key_usage);
    CaIsNoCa, "ca-is-no-ca",
        "the CA is an end entity",
        "what issues certificates is a CA",
        Chain(certificates::ca_is_no_ca);
    CaKeyUsage, "ca-key-usage",
        "the CA's key may sign revocation lists only",
        "what issues certificates has a key for that",
        Chain(certificates::ca_key_usage);
    PathLength, "path-length",
        "the CA allows no CA below it, and there is one",
        "no more authorities stand below a CA than it allows",
        Chain(certificates::path_length);
    LeafCriticalExtension, "leaf-critical-extension",
        "the leaf has a critical extension that nobody knows",
        "critical extensions are understood",
        Chain(certificates::leaf_critical);
    CaCriticalExtension, "ca-critical-extension",
        "the CA has a critical extension that nobody knows",
        "critical extensions are understood",
        Chain(certificates::ca_critical);
    ChainMissing, "chain-missing",
        "there are no certificates",
        "the protected header has the certificates",
        Message(envelope::chain_missing);
    ChainUnprotected, "chain-unprotected",
        "the certificates stand in the unprotected header",
        "the protected header has the certificates",
        Message(envelope::chain_unprotected);
    ChainText, "chain-text",
        "text stands in the place of the certificates",
        "the certificates are a list of byte strings",
        Message(envelope::chain_text);
    ChainOfText, "chain-of-text",
        "the certificates are a list of texts",
        "the certificates are a list of byte strings",
        Message(envelope::chain_of_text);
    ChainLeafAlone, "chain-leaf-alone",
        "the list of certificates has the leaf only",
        "there are two certificates or more",
        Message(envelope::chain_leaf_alone);
    ChainSingle, "chain-single",
        "the leaf stands there without a list",
        "there are two certificates or more",
        Message(envelope::chain_single);
    ChainLong, "chain-long",
        "there are nine certificates",
        "there are eight certificates at most",
        Message(envelope::chain_long);
    ChainGarbage, "chain-garbage",
        "the last certificate is cut off",
        "each certificate is readable",
        Message(envelope::chain_garbage);
    LeafLarge, "leaf-large",
        "the leaf has an extension of 9,000 bytes",
        "the size of certificates is bounded",
        Chain(certificates::leaf_large);
    ThumbprintOfOther, "thumbprint-of-other",
        "the thumbprint is of another certificate",
        "the thumbprint is the leaf's",
        Message(envelope::thumbprint_of_other);
    ThumbprintHash, "thumbprint-hash",
        "the thumbprint is made with SHA-1",
        "the thumbprint is made with a hash that is known",
        Message(envelope::thumbprint_hash);
    // Dates.
    LeafExpired, "leaf-expired",
        "the leaf had expired when the endorsement was signed",
        "the chain was valid at the time of signing",
        Chain(certificates::leaf_expired);
    LeafNotYetValid, "leaf-not-yet-valid",
        "the leaf was not valid yet when the endorsement was signed",
        "the chain was valid at the time of signing",
        Chain(certificates::leaf_future);
    CaExpired, "ca-expired",
        "the CA had expired when the endorsement was signed",
        "the chain was valid at the time of signing",
        Chain(certificates::ca_expired);
    SignedInFuture, "signed-in-future",
        "the signer says that it was signed tomorrow",
        "the time of signing is past",
        Legacy(envelope::time_future);
    CwtSignedInFuture, "cwt-signed-in-future",
        "the CWT claim says that it was signed tomorrow",
        "the time of signing is past",
        Cwt(envelope::cwt_time_future);
    // The issuer's name.
    OtherPurpose, "other-purpose",
        "the leaf is for signing code",
        "the leaf has the purpose that the issuer's name demands",
        Chain(certificates::purpose);
    PurposesMany, "purposes-many",
        "the leaf has 33 purposes, with the one of image signers",
        "the number of purposes is bounded",
        Chain(certificates::purposes_many);
    NoPurpose, "no-purpose",
        "the leaf does not say what it is for",
        "the leaf has the purpose that the issuer's name demands",
        Chain(certificates::no_purpose);
    OtherRoot, "other-root",
        "another root's chain stands under the issuer's name",
        "the issuer's name has the fingerprint of an authority of the chain",
        Chain(certificates::other_root);
    ChainWithoutRoot, "chain-without-root",
        "the root, whose fingerprint the name has, is left out",
        "the issuer's name has the fingerprint of an authority of the chain",
        Message(envelope::chain_without_root);
    FingerprintOfLeaf, "fingerprint-of-leaf",
        "the issuer's name has the fingerprint of the leaf",
        "the issuer's name has the fingerprint of an authority of the chain",
        Chain(certificates::fingerprint_of_leaf);
    PolicyUnknown, "policy-unknown",
        "the issuer's name has a policy that nobody knows",
        "every policy of the issuer's name is known",
        Chain(certificates::policy_unknown);
    PolicySubject, "policy-subject",
        "the leaf's common name is longer than the policy says",
        "every policy of the issuer's name holds",
        Chain(certificates::policy_subject);
    PolicySubjectTwice, "policy-subject-twice",
        "the policy on the subject names a part of it twice",
        "a policy names each part of the subject once",
        Chain(certificates::policy_subject_twice);
    PolicySan, "policy-san",
        "the leaf has no alternative name, and the policy demands one",
        "every policy of the issuer's name holds",
        Chain(certificates::policy_san);
    PolicyFulcio, "policy-fulcio",
        "the leaf is not of Fulcio, and the policy demands it",
        "every policy of the issuer's name holds",
        Chain(certificates::policy_fulcio);
    PolicySecond, "policy-second",
        "the first policy holds and the second does not",
        "every policy of the issuer's name holds",
        Chain(certificates::policy_second_fails);
    PolicyNone, "policy-none",
        "the issuer's name has no policy",
        "the issuer's name has a policy",
        Chain(certificates::policy_none);
    DidVersion, "did-version",
        "the issuer's name has version 1",
        "the issuer's name is a did:x509 of version 0",
        Chain(certificates::did_version);
    DidHash, "did-hash",
        "the issuer's name has a SHA-1 fingerprint",
        "the issuer's name is a did:x509 of version 0",
        Chain(certificates::did_hash);
    DidMethod, "did-method",
        "the issuer's name is a did:web",
        "the issuer's name is a did:x509 of version 0",
        Chain(certificates::did_method);
    PoliciesMany, "policies-many",
        "the issuer's name has the leaf's purpose nine times",
        "the number of policies is bounded",
        Chain(certificates::policies_many);
    DidLong, "did-long",
        "the issuer's name has 100 policies",
        "the issuer's name has a bounded length",
        Chain(certificates::did_long);
    SelfMade, "self-made",
        "somebody else made chain, name and signature",
        "the issuer is trusted",
        Chain(certificates::self_made);
    FeedOther, "feed-other",
        "the feed is one that the issuer is not trusted for",
        "the issuer is trusted for the feed",
        Legacy(envelope::feed_other);
    // The envelope.
    AlgorithmPkcs1, "algorithm-pkcs1",
        "the algorithm is RS256",
        "the algorithm is accepted",
        Message(envelope::algorithm_pkcs1);
    AlgorithmEs512, "algorithm-es512",
        "the algorithm is ES512",
        "the algorithm is accepted",
        Message(envelope::algorithm_es512);
    AlgorithmMissing, "algorithm-missing",
        "there is no algorithm",
        "the protected header has the algorithm",
        Message(envelope::algorithm_missing);
    AlgorithmUnprotected, "algorithm-unprotected",
        "the algorithm stands in the unprotected header",
        "the protected header has the algorithm",
        Message(envelope::algorithm_unprotected);
    CriticalHeader, "critical-header",
        "a header is critical",
        "critical headers are understood",
        Message(envelope::critical);
    DuplicateLabel, "duplicate-label",
        "a label stands twice in the protected header",
        "labels stand there once",
        Message(envelope::duplicate_label);
    LabelInBoth, "label-in-both",
        "a label stands in both headers",
        "labels stand there once",
        Message(envelope::label_in_both);
    HeadersMany, "headers-many",
        "there are 100 more headers",
        "the number of headers is bounded",
        Message(envelope::headers_many);
    CounterSigned, "counter-signed",
        "the protected header has a counter-signature (RFC 9338)",
        "there are no counter-signatures",
        Message(envelope::counter_signed);
    CounterSignedUnprotected, "counter-signed-unprotected",
        "the unprotected header has a counter-signature (RFC 8152)",
        "there are no counter-signatures",
        Message(envelope::counter_signed_unprotected);
    Detached, "detached",
        "the payload is taken out after signing",
        "the payload is there",
        After(envelope::detached);
    PayloadText, "payload-text",
        "the payload is text",
        "the payload is a byte string",
        After(envelope::payload_text);
    TagOther, "tag-other",
        "the tag is that of COSE_Sign",
        "the tag is that of COSE_Sign1, or there is none",
        After(envelope::tag_other);
    TaggedTwice, "tagged-twice",
        "the tag of CBOR itself stands around the message",
        "the tag is that of COSE_Sign1, or there is none",
        Bytes(envelope::tagged_twice);
    Trailing, "trailing",
        "a zero follows",
        "nothing follows",
        After(envelope::trailing);
    Truncated, "truncated",
        "the last byte is missing",
        "the message is whole",
        Bytes(envelope::truncated);
    Empty, "empty",
        "there is nothing",
        "the message is whole",
        Bytes(envelope::empty);
    Oversize, "oversize",
        "64 KiB of zeros follow",
        "the size is bounded",
        Bytes(envelope::oversize);
    NestingBomb, "nesting-bomb",
        "arrays stand 10,000 deep in each other",
        "the depth is bounded",
        Bytes(envelope::bomb);
    // The signature.
    KeyOfOtherKind, "key-of-other-kind",
        "the leaf's key is an RSA key, and the algorithm ES384",
        "the leaf's key fits the algorithm",
        Chain(certificates::key_of_other_kind);
    KeyOnOtherCurve, "key-on-other-curve",
        "the leaf's key is on P-256, and the algorithm ES384",
        "the leaf's key fits the algorithm",
        Chain(certificates::key_on_other_curve);
    SignedByOtherKey, "signed-by-other-key",
        "another key signed",
        "the leaf's key signed",
        Keys(envelope::other_key);
    SignedAsOther, "signed-as-other",
        "signed as a part of a COSE_Sign message",
        "what is signed is a COSE_Sign1 message",
        Message(envelope::context);
    SignedWithExternalData, "signed-with-external-data",
        "signed together with data that is not in the message",
        "what is signed is the message alone",
        Message(envelope::external_data);
    Reencoded, "reencoded",
        "the protected header is encoded in another order after signing",
        "what is signed is the protected header as received",
        After(envelope::reencoded);
    PayloadChanged, "payload-changed",
        "white space of the payload is changed after signing",
        "what is signed is the payload byte for byte",
        After(envelope::payload_changed);
    SignatureBit, "signature-bit",
        "one bit of the signature is flipped",
        "the signature is valid",
        After(envelope::signature_bit);
    SignatureEmpty, "signature-empty",
        "the signature is empty",
        "the signature is valid",
        After(envelope::signature_empty);
    SignatureZero, "signature-zero",
        "the signature is all zero",
        "`r` and `s` of an ECDSA signature are not zero",
        After(envelope::signature_zero);
    SignatureLong, "signature-long",
        "a zero follows the signature",
        "the signature has the length of its algorithm",
        After(envelope::signature_long);
    // The older form.
    BothForms, "both-forms",
        "there are CWT claims with another issuer besides",
        "the issuer is named in one way",
        Legacy(envelope::both_forms);
    IssuerMissing, "issuer-missing",
        "there is no issuer",
        "the issuer is named",
        Legacy(envelope::issuer_missing);
    IssuerNoText, "issuer-no-text",
        "the issuer is a number",
        "the issuer is text",
        Legacy(envelope::issuer_no_text);
    FeedMissing, "feed-missing",
        "there is no feed",
        "the feed is named",
        Legacy(envelope::feed_missing);
    TimeUntagged, "time-untagged",
        "the time of signing is a bare number",
        "the time of signing is tagged as a time",
        Legacy(envelope::time_untagged);
    TimeText, "time-text",
        "the time of signing is text",
        "the time of signing is in seconds",
        Legacy(envelope::time_text);
    ContentType, "content-type",
        "the content type is not JSON's",
        "the content type is `application/json`",
        Legacy(envelope::content_type);
    ContentTypeMissing, "content-type-missing",
        "there is no content type",
        "the content type is `application/json`",
        Legacy(envelope::content_type_missing);
    JsonBroken, "json-broken",
        "the payload's last brace is missing",
        "the payload is JSON",
        Legacy(envelope::json_broken);
    JsonLarge, "json-large",
        "the payload has 5,000 spaces more",
        "the size of the payload is bounded",
        Legacy(envelope::json_large);
    JsonDuplicate, "json-duplicate",
        "the security version stands there twice",
        "members of the payload stand there once",
        Legacy(envelope::json_duplicate);
    JsonArray, "json-array",
        "the payload is an array",
        "the payload is an object",
        Legacy(envelope::json_array);
    SvnMissing, "svn-missing",
        "there is no security version",
        "the security version is there",
        Legacy(envelope::svn_missing);
    SvnSigned, "svn-signed",
        "the security version has a sign",
        "the security version is digits",
        Legacy(envelope::svn_signed);
    SvnNegative, "svn-negative",
        "the security version is negative",
        "the security version is a natural number",
        Legacy(envelope::svn_negative);
    SvnFraction, "svn-fraction",
        "the security version is a fraction",
        "the security version is a natural number",
        Legacy(envelope::svn_fraction);
    SvnEmpty, "svn-empty",
        "the security version is empty",
        "the security version is digits",
        Legacy(envelope::svn_empty);
    SvnLarge, "svn-large",
        "the security version has 65 bits",
        "the security version has 64 bits",
        Legacy(envelope::svn_large);
    SvnTwo, "svn-two",
        "the two members with the security version differ",
        "the members with the security version agree",
        Legacy(envelope::svn_two);
    SvnZero, "svn-zero",
        "the security version is 0",
        "the security version is at the minimum",
        Legacy(envelope::svn_zero);
    MeasurementLong, "measurement-long",
        "the measurement has 49 bytes",
        "the measurement has 48 bytes",
        Legacy(envelope::measurement_long);
    MeasurementNoHex, "measurement-no-hex",
        "the measurement is not hexadecimal",
        "the measurement is hexadecimal",
        Legacy(envelope::measurement_no_hex);
    MeasurementMissing, "measurement-missing",
        "there is no measurement",
        "the measurement is there",
        Legacy(envelope::measurement_missing);
    MeasurementOther, "measurement-other",
        "the measurement is another image's",
        "the measurement is the report's",
        Legacy(envelope::measurement_other);
    // The newer form.
    CwtNoMap, "cwt-no-map",
        "the CWT claims are an array",
        "the CWT claims are a map",
        Cwt(envelope::cwt_no_map);
    CwtTwice, "cwt-twice",
        "the security version stands there twice",
        "CWT claims stand there once",
        Cwt(envelope::cwt_twice);
    CwtMany, "cwt-many",
        "there are 100 more CWT claims",
        "the number of CWT claims is bounded",
        Cwt(envelope::cwt_many);
    CwtIssuerMissing, "cwt-issuer-missing",
        "there is no CWT issuer",
        "the issuer is named",
        Cwt(envelope::cwt_issuer_missing);
    CwtSubjectMissing, "cwt-subject-missing",
        "there is no CWT subject",
        "the feed is named",
        Cwt(envelope::cwt_subject_missing);
    CwtTimeFraction, "cwt-time-fraction",
        "the CWT time is a fraction",
        "the time of signing is in seconds",
        Cwt(envelope::cwt_time_fraction);
    CwtSvnMissing, "cwt-svn-missing",
        "there is no security version",
        "the security version is there",
        Cwt(envelope::cwt_svn_missing);
    CwtSvnNegative, "cwt-svn-negative",
        "the security version is negative",
        "the security version is a natural number",
        Cwt(envelope::cwt_svn_negative);
    CwtSvnText, "cwt-svn-text",
        "the security version is text",
        "the security version is a natural number",
        Cwt(envelope::cwt_svn_text);
    CwtSvnZero, "cwt-svn-zero",
        "the security version is 0",
        "the security version is at the minimum",
        Cwt(envelope::cwt_svn_zero);
    CwtPayloadShort, "cwt-payload-short",
        "the measurement has 47 bytes",
        "the measurement has 48 bytes",
        Cwt(envelope::cwt_payload_short);
    CwtMeasurementOther, "cwt-measurement-other",
        "the measurement is another image's",
        "the measurement is the report's",
        Cwt(envelope::cwt_measurement_other);
    CwtPreimageType, "cwt-preimage-type",
        "what was hashed is JSON",
        "what was hashed is `application/octet-stream`",
        Cwt(envelope::cwt_preimage_type);
    CwtPreimageMissing, "cwt-preimage-missing",
        "there is no type of what was hashed",
        "what was hashed is `application/octet-stream`",
        Cwt(envelope::cwt_preimage_missing);
    CwtHash, "cwt-hash",
        "the payload is declared a SHA-256 hash",
        "the payload is a SHA-384 hash",
        Cwt(envelope::cwt_hash);
    // The time-stamp.
    StampOfOther, "stamp-of-other",
        "the time-stamp is of another signature",
        "the time-stamp is of this signature",
        Stamp(stamp::other_signature);
    StampFuture, "stamp-future",
        "the time-stamp is of the next minute",
        "the time-stamp is past",
        Stamp(stamp::future);
    StampVersion, "stamp-version",
        "the time-stamp's statement has version 2",
        "the statement's version is known",
        Stamp(stamp::version);
    StampImprintHash, "stamp-imprint-hash",
        "the imprint is a SHA-1 hash",
        "the imprint's hash is accepted",
        Stamp(stamp::imprint_hash);
    StampExtensions, "stamp-extensions",
        "the time-stamp's statement has an extension",
        "the statement is understood as a whole",
        Stamp(stamp::extensions);
    StampAuthority, "stamp-authority",
        "the time-stamp is of another authority with the same name",
        "the authority's key is pinned",
        Stamp(stamp::authority);
    StampServiceSignature, "stamp-service-signature",
        "the service's certificate is signed with another key",
        "the authority signed the service's certificate",
        Stamp(stamp::tsa_signature);
    StampAuthorityNoCa, "stamp-authority-no-ca",
        "the authority is an end entity",
        "what issues certificates is a CA",
        Stamp(stamp::pca_no_ca);
    StampNoPurpose, "stamp-no-purpose",
        "the service does not say what it is for",
        "the service is for time-stamps",
        Stamp(stamp::no_purpose);
    StampMorePurposes, "stamp-more-purposes",
        "the service is for signing images as well",
        "the service is for time-stamps alone",
        Stamp(stamp::more_purposes);
    StampKeyUsage, "stamp-key-usage",
        "the service's key is for enciphering",
        "the service's key may sign documents",
        Stamp(stamp::key_usage);
    StampCritical, "stamp-critical",
        "the service has a critical extension that nobody knows",
        "critical extensions are understood",
        Stamp(stamp::critical);
    StampServiceExpired, "stamp-service-expired",
        "the service's certificate had expired",
        "the service was valid at its time",
        Stamp(stamp::tsa_expired);
    StampAuthorityExpired, "stamp-authority-expired",
        "the authority's certificate had expired",
        "the authority was valid at the service's time",
        Stamp(stamp::pca_expired);
    StampEcdsa, "stamp-ecdsa",
        "the service signs with ECDSA under the name of RSA",
        "the service's key is an RSA key",
        Stamp(stamp::ecdsa_key);
    StampOtherKey, "stamp-other-key",
        "another key signed the time-stamp",
        "the service's key signed",
        Stamp(stamp::other_key);
    StampSignature, "stamp-signature",
        "one bit of the time-stamp's signature is flipped",
        "the time-stamp's signature is valid",
        Stamp(stamp::signature);
    StampDigest, "stamp-digest",
        "the signed attributes have the hash of another statement",
        "the signed hash is that of the statement",
        Stamp(stamp::digest);
    StampContentType, "stamp-content-type",
        "the signed attributes are for plain data",
        "the signed kind is that of the statement",
        Stamp(stamp::content_type);
    StampCertificate, "stamp-certificate",
        "the signed attributes name another certificate",
        "the signed certificate is the service's",
        Stamp(stamp::certificate);
    StampCertificateSha1, "stamp-certificate-sha1",
        "the signed attributes name the certificate by SHA-1",
        "the certificate is named by SHA-2",
        Stamp(stamp::certificate_sha1);
    StampNoCertificates, "stamp-no-certificates",
        "the time-stamp carries no certificates",
        "the time-stamp carries its chain",
        Stamp(stamp::no_certificates);
    StampNoAttributes, "stamp-no-attributes",
        "the time-stamp has no signed attributes",
        "the time-stamp has signed attributes",
        Stamp(stamp::no_attributes);
    StampTwoSigners, "stamp-two-signers",
        "the time-stamp has two signers",
        "the time-stamp has one signer",
        Stamp(stamp::two_signers);
    StampNoSigner, "stamp-no-signer",
        "the time-stamp has no signer",
        "the time-stamp has one signer",
        Stamp(stamp::no_signer);
    StampTrailing, "stamp-trailing",
        "a zero follows the time-stamp",
        "nothing follows",
        Stamp(stamp::trailing);
    StampText, "stamp-text",
        "text stands in the place of the time-stamp",
        "the time-stamp is a byte string",
        Token(stamp::text);
    StampEmpty, "stamp-empty",
        "the time-stamp is empty",
        "the time-stamp is whole",
        Token(stamp::empty);
}
