#!/usr/bin/env bash
# Prints this machine's hardware as a tree for Tests/Fixtures/hardware: what the agent's probe reads, and no more.
# Needs no privileges. Serial numbers and mounts besides / and the folder that is named are left out.
# Usage: scripts/record-hardware.sh "Radxa ROCK 5B, 16 GB" [folder of the agent's data] > Tests/Fixtures/hardware/rock-5b.tree
set -euo pipefail
title=${1:?name the machine, e.g. "Radxa ROCK 5B, 16 GB"}
data=${2:-/}
root=${MARTLET_RECORD_ROOT:-}

# NUL bytes and backslashes escaped; \c where the last line does not end. Longer files are cut: the probe bounds them too.
emit() {
    [ -f "$root$1" ] || return 0
    printf '@ %s\n' "$1"
    { head -c 65536 -- "$root$1" 2>/dev/null || true; } | sed -z -e 's/\\/\\\\/g' | sed -e 's/\x00/\\0/g' \
        -e '/^Serial[[:space:]]*:/s/:.*/: 0000000000000000/' |
        awk '{ printf "%s%s", (NR > 1 ? "\n" : ""), $0 } END { if (NR) print "" }'
}
link() { [ ! -L "$root$1" ] || printf '@ %s -> %s\n' "$1" "$(readlink "$root$1")"; }
folder() { [ ! -d "$root$1" ] || printf '@ %s/\n' "$1"; }
each() { # each FUNCTION PATTERN…: paths below the root, without it
    local call=$1 pattern path
    shift
    for pattern in "$@"; do
        for path in $root$pattern; do
            if [ -e "$path" ] || [ -L "$path" ]; then "$call" "${path#"$root"}"; fi
        done
    done
}

printf '# %s\n\nRecorded on the machine by scripts/record-hardware.sh.\n\n' "$title"
each emit /proc/cpuinfo /proc/meminfo /proc/swaps /proc/sys/kernel/arch /proc/sys/kernel/osrelease /proc/self/cgroup
printf '@ /proc/self/status\n'
grep '^Cpus_allowed' "$root/proc/self/status" || true
printf '@ /proc/self/mountinfo\n'
awk -v data="$data" '$5 == "/" || (data != "/" && index(data "/", $5 "/") == 1)' "$root/proc/self/mountinfo"
each emit /proc/device-tree/model /proc/device-tree/compatible /proc/driver/nvidia/gpus/*/information
each emit /sys/class/dmi/id/{sys_vendor,product_name,board_vendor,board_name,bios_version}
each emit /etc/os-release /usr/lib/os-release /etc/nv_tegra_release /sys/module/{nvidia,hailo_pci,apex}/version
each emit /sys/devices/system/cpu/online /sys/devices/cpu_core/cpus /sys/devices/cpu_atom/cpus
each emit '/sys/devices/system/cpu/cpu[0-9]*/'{cpu_capacity,thermal_throttle/core_throttle_count,thermal_throttle/package_throttle_count}
while IFS= read -r line; do
    path=${line#*:}
    case ",${line%%:*}," in
    *,memory,*) bases="/sys/fs/cgroup/memory" ;;
    *,cpu,*) bases="/sys/fs/cgroup/cpu" ;;
    ,,) bases="/sys/fs/cgroup" ;;
    *) continue ;;
    esac
    while :; do
        for name in memory.{max,high,current,stat,limit_in_bytes,usage_in_bytes} cpu.{max,cfs_quota_us,cfs_period_us}; do
            each emit "$bases${path%/}/$name"
        done
        case $path in / | "") break ;; esac
        path=${path%/*}
    done
done < <(cut -d: -f2,3 "$root/proc/self/cgroup")
numbers=$(awk '{ print $3 }' "$root/proc/self/mountinfo" | sort -u)
for number in $numbers; do case $number in 0:*) ;; *) each link "/sys/dev/block/$number" ;; esac; done
for disk in "$root"/sys/block/*; do
    disk=${disk#"$root"}
    case ${disk##*/} in loop* | ram*) continue ;; esac
    # The link names the bus; its files are printed where it points.
    if [ -L "$root$disk" ]; then link "$disk" && place=/sys/block/$(readlink "$root$disk"); else place=$disk; fi
    place=$(realpath -ms "$place")
    folder "$place"
    each emit "$place"/{queue/rotational,device/model,device/vendor,device/type,device/life_time,device/pre_eol_info}
    each folder "$place/slaves/*"
done
for node in "$root"/sys/class/drm/renderD* "$root"/sys/class/accel/accel*; do
    node=${node#"$root"}
    each emit "$node"/device/{vendor,device,mem_info_vram_total}
    each link "$node/device/driver"
done
each folder '/sys/class/hailo_chardev/*' '/sys/class/apex/*' '/sys/bus/platform/drivers/RKNPU/fd*' /sys/bus/platform/drivers/{gk20a,nvgpu}
for device in "$root"/sys/bus/pci/devices/*; do
    device=${device#"$root"}
    case $(cat "$root$device/vendor" 2>/dev/null) in 0x1e60 | 0x1ac1 | 0x10de) each emit "$device"/{vendor,device} ;; esac
done
for device in "$root"/sys/bus/usb/devices/*; do
    device=${device#"$root"}
    case $(cat "$root$device/idVendor" 2>/dev/null) in 1a6e | 18d1) each emit "$device"/{idVendor,idProduct} ;; esac
done
each emit '/sys/class/thermal/thermal_zone*/'{type,temp,trip_point_\*_type,trip_point_\*_temp}
each emit '/sys/class/thermal/cooling_device*/'{type,cur_state} '/sys/class/hwmon/hwmon*/'{name,in0_lcrit_alarm}
each emit /sys/devices/platform/soc/soc:firmware/get_throttled '/sys/bus/platform/drivers/raspberrypi-firmware/*/get_throttled'
each emit '/sys/class/power_supply/*/'{type,online,capacity,status,scope}
each emit /run/systemd/timesync/synchronized /run/chrony/chronyd.pid /run/ntpd.pid
each folder /run/systemd/timesync /run/chrony /run/ntpsec /run/openntpd /run/ptp4l
