package bench

import rego.v1

denied if input["x-ms-sgx-is-debuggable"] == true

denied if input["x-assay-tcb-status"] == "OutOfDate"

permitted if {
	input["x-ms-sgx-mrsigner"] == "5151515151515151515151515151515151515151515151515151515151515151"
	input["x-ms-sgx-product-id"] == 1
	input["x-ms-sgx-svn"] >= 2
}

permitted if {
	input["x-ms-sgx-mrsigner"] == "a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2"
	input["x-ms-sgx-svn"] >= 1
}

default signer := {}

signer := {"signer": input["x-ms-sgx-mrsigner"]}

default version := {}

version := {"version": input["x-ms-sgx-svn"]}

default advisories := {}

advisories := {"advisories": input["x-assay-advisories"]}

default grade := {}

grade := {"grade": "high"} if {
	input["x-assay-tcb-status"] == "UpToDate"
	input["x-assay-freshness"] == "caller-bound"
}

decision := object.union_n([signer, version, advisories, grade]) if {
	permitted
	not denied
}
