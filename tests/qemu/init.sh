#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=dash
# PID 1 of the guest: loads drivers, shows the host's files read-only at /, runs
# /payload in them and writes its output and exit code to the second serial port.
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /host
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t devtmpfs dev /dev 2>/dev/null
# The first memory cgroup makes the kernel patch itself. Here, where nothing else runs: an emulated
# processor that is in the patched place may execute the old code for ever.
if $bb mount -t cgroup2 none /sys/fs/cgroup && echo +memory >/sys/fs/cgroup/cgroup.subtree_control; then
	$bb mkdir /sys/fs/cgroup/first
	$bb rmdir /sys/fs/cgroup/first
fi 2>/dev/null
while read -r module; do
	$bb insmod "/modules/$module" || echo "insmod $module failed"
done </modules/order
$bb mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=512000,ro host /host || $bb poweroff -f
for dir in proc sys dev; do $bb mount --move /$dir /host/$dir; done
for dir in tmp run; do $bb mount -t tmpfs -o mode=1777 $dir /host/$dir; done
$bb mkdir -p /host/dev/pts /host/dev/shm
$bb mount -t devpts pts /host/dev/pts
$bb mount -t tmpfs shm /host/dev/shm
$bb mount -t debugfs debug /host/sys/kernel/debug 2>/dev/null
[ -e /host/dev/fd ] || $bb ln -s /proc/self/fd /host/dev/fd
$bb ifconfig lo up
# What is sent to a CPU that does not get to take it shall wait, however much it is.
echo 1000000 >/host/proc/sys/net/core/netdev_max_backlog
$bb cp /payload $bb /host/run/
$bb cat >/host/run/stage2 <<'EOF'
/bin/sh /run/payload </dev/null >/dev/ttyS1 2>&1
echo "guest: exit $?" >/dev/ttyS1
/run/busybox sync
/run/busybox sleep 1
/run/busybox poweroff -f
EOF
# Not chroot: who is in one may not make user namespaces.
exec $bb switch_root /host /bin/sh /run/stage2
