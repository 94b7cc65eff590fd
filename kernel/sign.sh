#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# sign.sh - sign pf_ring.ko so that a kernel with Secure Boot loads it.
#
#      sign.sh MODULE [KEY CERT]
#
# Without KEY and CERT a pair of this machine's own is made once, in
# /var/lib/pfring/mok (readable by root only). Its certificate must then be
# enrolled once, which asks for a password here and again at the next boot:
#      mokutil --import /var/lib/pfring/mok/mok.der
set -eu
module=${1:?"usage: sign.sh MODULE [KEY CERT]"}
folder=/var/lib/pfring/mok
key=${2:-$folder/mok.key} cert=${3:-$folder/mok.der}

release=$(modinfo -F vermagic "$module" | cut -d' ' -f1)
for tool in "${KERNEL_SRC:-/lib/modules/$release/build}/scripts/sign-file" \
	/usr/lib/linux-kbuild-*/scripts/sign-file /usr/src/kernels/"$release"/scripts/sign-file; do
	[ ! -x "$tool" ] || break
done
[ -x "$tool" ] || {
	echo "sign.sh: no sign-file: install the headers of kernel $release, or set KERNEL_SRC" >&2
	exit 1
}

if [ $# -lt 2 ] && [ ! -e "$key" ]; then
	umask 077
	mkdir -p "$folder"
	# The extended key usage is the one that shim wants for modules and nothing else.
	openssl req -new -x509 -newkey rsa:2048 -nodes -days 3650 -outform DER \
		-subj "/CN=pfring modules of $(uname -n)/" -addext "extendedKeyUsage=codeSigning" \
		-keyout "$key" -out "$cert" 2>/dev/null
	echo "made $key and $cert; enroll the certificate: mokutil --import $cert"
fi
"$tool" sha256 "$key" "$cert" "$module"
echo "signed $module by $(modinfo -F signer "$module")"
