#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# build_debug.sh FOLDER: a kernel with every checker (debug.config) in FOLDER/tree.
#
# From the source that Debian packages (fetched, never installed), with what debug.config asks for
# over tinyconfig. Does nothing if it is there already; a build that broke off goes on.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1"
cd "$1"

if [ ! -e tree/Makefile ]; then
	# The metapackage depends on the newest: linux-source-6.1
	name=$(apt-cache depends --important linux-source | awk '$1 == "Depends:" {print $2; exit}')
	apt-get -o APT::Sandbox::User=root download "$name"
	dpkg-deb -x "$name"_*.deb package
	mkdir -p unpacked
	tar xf package/usr/src/"$name".tar.xz -C unpacked --strip-components=1
	mv unpacked tree
	rm -rf package "$name"_*.deb
fi
cd tree
if ! cmp -s "$here/debug.config" .debug.config; then
	make -s tinyconfig
	scripts/kconfig/merge_config.sh -m .config "$here/debug.config"
	make -s olddefconfig
	cp "$here/debug.config" .debug.config
fi
make -j"$(nproc)" bzImage modules
