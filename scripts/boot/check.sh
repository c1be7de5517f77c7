#!/bin/bash
# Runs inside the machine that boot-test.sh boots, as root, with systemd as process 1. Which part: the kernel's command
# line says (martlet.check=first|second). Lines "ok:", "FAILED:" and "figure:" are the result.
# shellcheck disable=SC2016,SC2317  # what others expand stands in single quotes; functions are called by name
set -uo pipefail
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
cd /root || exit 1
failures=0
ok() { echo "ok: $*"; }
failed() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
expect() {
    local what=$1
    shift
    if "$@" >/root/last 2>&1; then ok "$what"; else
        failed "$what"
        tail -n 5 /root/last
    fi
}
refuse() { ! "$@"; }
# An emulated machine is slow, and one beside other work slower still: no patience here says what is fast enough.
within() {
    local end=$((SECONDS + 4 * $1))
    shift
    until "$@" >/root/last 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.2
    done
}
property() { systemctl show -P "$2" "$1"; }
is() { [ "$(property "$1" "$2")" = "$3" ]; }
ask() {
    curl -sf --max-time 20 -H 'Content-Type: application/json' http://127.0.0.1:8080/v1/chat/completions \
        -d '{"model":"triage","max_tokens":4,"messages":[{"role":"user","content":"I was charged twice"}]}'
}
agent_pid() { property martlet-agent.service MainPID; }
agent_program() { readlink "/proc/$(agent_pid)/exe"; }
agent_says() { martlet-agent status | grep -E "$1"; }
# A file of the control group of a unit or process, or of one above that.
group_file() { cat "/sys/fs/cgroup$1/$2"; }
unit_group() { property "$1" ControlGroup; }
exits() {
    local code=$1 status=0
    shift
    "$@" || status=$?
    [ "$status" -eq "$code" ]
}
engine_unit() { systemctl list-units --plain --no-legend --state=active 'martlet-runtime@*' | awk '{ print $1; exit }'; }
engine_pid() { property "$(engine_unit)" MainPID; }
# An engine's process; the image has no pgrep.
forked_pid() {
    local process
    for process in /proc/[0-9]*; do
        if tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q 'llama-server.*engine\.sock'; then
            echo "${process#/proc/}"
            return
        fi
    done
}
no_engine() { [ -z "$(forked_pid)" ]; }
finish() {
    if [ "$failures" -eq 0 ]; then echo "ALL WELL"; else
        journalctl -b --no-pager -u 'martlet*' -n 80
        echo "$failures FAILED"
    fi
    sync
    exit 0
}
part=$(sed -n 's/.*martlet\.check=\([a-z]*\).*/\1/p' /proc/cmdline)

first() {
    echo "note: $(systemctl --version | head -n 1), Linux $(uname -r)"
    expect "systemd-analyze finds no fault in the units" bash -c \
        '! systemd-analyze verify --man=no /usr/lib/systemd/system/martlet-*.service 2>&1 | grep -i martlet'
    expect "the agent waits until the box is a device" is martlet-agent.service ConditionResult no

    printf 'MARTLET_REGISTRY_FLAGS="--operator-address 127.0.0.1:8090"\n' >/etc/default/martlet-registry
    # The first start, at boot, took the agent's port and made the token.
    systemctl stop martlet-registry
    rm -rf /var/lib/martlet-registry/*
    expect "the registry says when it is ready" systemctl start martlet-registry
    expect "it is of type notify and watched" bash -c \
        '[ "$(systemctl show -P Type martlet-registry)$(systemctl show -P WatchdogUSec martlet-registry)" = notify2min ]'
    expect "it tells its state" bash -c 'systemctl show -P StatusText martlet-registry | grep -q Devices:'
    martlet login http://127.0.0.1:8090 --token-file /var/lib/martlet-registry/admin.token || failed login
    expect "the first token is its owner's, and not in the journal" bash -c \
        '[ "$(stat -c %a:%U /var/lib/martlet-registry/admin.token)" = 600:martlet-registry ] &&
            ! journalctl -b --no-pager -u martlet-registry | grep -qFf /var/lib/martlet-registry/admin.token'
    martlet trust init --namespace clinic --keys /root/keys --no-passphrase || failed "trust init"

    # A device by a credential, without hands.
    mkdir -p /etc/credstore
    martlet token join --uses 1 --valid 1h >/etc/credstore/martlet.join || failed "token join"
    chmod 600 /etc/credstore/martlet.join
    printf '%s\n' '{"policy": {"slots": {"triage": ["clinic/*"]}, "agentNamespace": "platform"}, "agentTrialSeconds": 120,' \
        '"engine": {"llamaServer": "/opt/llama/bin/llama-server",' \
        '"threads": 1, "confine": "available"}}' >/etc/martlet/agent.json
    echo 'MARTLET_ENROL_FLAGS="--label site=lab"' >>/etc/default/martlet-agent
    expect "the box enrols by the credential" systemctl start martlet-agent-enrol
    expect "the token is gone then" refuse test -e /etc/credstore/martlet.join
    expect "the configuration is root's to write and the agent's alone to read" \
        test "$(stat -c '%U:%G %a' /etc/martlet/agent.json)" = "root:martlet-agent 640"
    expect "then its agent starts, and says when it is ready" within 90 systemctl is-active martlet-agent
    # Without a device there is nothing more to check, and process 0 must not be stopped below.
    if ! systemctl is-active -q martlet-agent; then
        journalctl -b --no-pager -u martlet-agent-enrol -n 20
        finish
    fi
    expect "it tells its state" within 10 bash -c 'systemctl show -P StatusText martlet-agent | grep -q gateway'
    expect "it has a user of its own" test "$(stat -c %U "/proc/$(agent_pid)")" = martlet-agent
    expect "its control group is delegated" is martlet-agent.service Delegate yes
    expect "the kernel tells it whether the clock is kept right" within 30 bash -c \
        'martlet devices show box-1 | grep -q "kept right"'
    expect "and it could never set it" grep -q 'CapBnd:.0000000000000000' "/proc/$(agent_pid)/status"

    martlet fleets set lab --selector site=lab || failed "fleets set"
    martlet publish /opt/fixtures/tiny-v1.Q4_0.gguf --as clinic/triage:1.0.0 || failed "publish"
    expect "a rollout reaches the device" martlet rollout start clinic/triage:1.0.0 --fleet lab --slot triage \
        --memory-mib 600 --cpu-percent 150 --soak 1s --wait
    expect "it answers" within 90 ask
    forked
    watchdog
    limits
    agents
    units
    people
    expect "the weekly scrub runs" systemctl start martlet-agent-scrub.service
    expect "all files were looked at" within 60 bash -c 'journalctl -b -u martlet-agent | grep -q "all files were looked at"'
    expect "the scrub has a timer" systemctl is-active martlet-agent-scrub.timer
    # The next boot has no registry.
    systemctl disable -q martlet-registry
    systemctl stop martlet-registry
}

# Engines as children of the agent.
forked() {
    local pid group
    pid=$(forked_pid)
    group=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
    expect "a forked engine has a control group of its own below the agent's" \
        grep -q '/martlet-agent.service/slot-triage/generation-' <<<"$group"
    echo "note: $group"
    slot_limits "$group"
    expect "it is confined" grep -q 'Seccomp:.2' "/proc/$pid/status"
    expect "it has no capabilities" grep -q 'CapEff:.0000000000000000' "/proc/$pid/status"
}

# The limits of the assignment at the group of a forked engine.
slot_limits() {
    expect "the kernel has its slot's limit of processor time" test "$(group_file "${1%/*}" cpu.max)" = "150000 100000"
    expect "and its limit of memory" test "$(group_file "$1" memory.max)" = $((600 << 20))
    expect "the agent says so" agent_says 'limited to memory 600.* 150 % of a processor \(control group\)'
}

watchdog() {
    mkdir -p /run/systemd/system/martlet-agent.service.d
    printf '[Service]\nWatchdogSec=12\n' >/run/systemd/system/martlet-agent.service.d/short.conf
    systemctl daemon-reload
    systemctl restart martlet-agent
    local before
    before=$(agent_pid)
    sleep 24
    expect "an agent that works is left alone by the watchdog" test "$(agent_pid)" = "$before"
    kill -STOP "$before"
    expect "one that hangs is ended and started again" within 90 bash -c \
        "[ \"\$(systemctl show -P NRestarts martlet-agent)\" -ge 1 ] && systemctl is-active martlet-agent"
    expect "by the watchdog" bash -c 'journalctl -b -u martlet-agent | grep -qi watchdog'
    expect "and serves again" within 90 ask
    rm -r /run/systemd/system/martlet-agent.service.d
    systemctl daemon-reload
}

# Limits by control groups, over the agent and its engines together.
limits() {
    systemctl set-property --runtime martlet-agent.service MemoryMax=900M
    expect "a limit of memory reaches the kernel" bash -c \
        "[ \"\$(cat /sys/fs/cgroup\$(systemctl show -P ControlGroup martlet-agent)/memory.max)\" = $((900 << 20)) ]"
    expect "the slice holds the agent" bash -c 'systemctl show -P ControlGroup martlet-agent | grep -q ^/martlet.slice/'
    systemctl stop martlet-agent
    expect "where the agent is stopped, its engines end" no_engine
    systemctl start martlet-agent
    expect "started again, it serves" within 60 ask
}

# Agents over the air: another program becomes the service's process, on trial, under systemd's watchdog.
agents() {
    local version process
    version=$(martlet-agent --version)
    mkdir -p /run/systemd/system/martlet-agent.service.d
    printf '[Service]\nWatchdogSec=15\n' >/run/systemd/system/martlet-agent.service.d/short.conf
    systemctl daemon-reload
    systemctl restart martlet-agent
    expect "the publisher of agents has keys" martlet trust delegate platform --keys /root/keys --no-passphrase
    for process in 7 8 9; do
        expect "agent $process${version#?} is published" martlet publish --kind agent "/opt/agents/agent-$process" \
            --as "platform/martlet-agent:$process${version#?}"
    done
    process=$(agent_pid)
    expect "an agent comes over the air and is committed" \
        martlet rollout start "platform/martlet-agent:7${version#?}" --fleet lab --slot martlet-agent --soak 1s --wait
    expect "it is the service's process" bash -c "readlink /proc/$(agent_pid)/exe | grep -q ^/var/lib/martlet-agent/agent/programs/"
    expect "another one than before" test "$(agent_pid)" != "$process"
    expect "the service is ready" is martlet-agent.service ActiveState active
    expect "it says its version" agent_says "^version +7${version#?}"
    expect "the doctor takes it for what it is" refuse bash -c 'martlet-agent doctor --output json | grep -q otherVersion'
    expect "it keeps engines in control groups" agent_says '^limits +control groups'
    expect "it serves what was served" within 90 ask
    slot_limits "$(sed -n 's/^0:://p' "/proc/$(forked_pid)/cgroup")"
    process=$(agent_pid)
    kill -STOP "$process"
    expect "systemd's watchdog ends it too where it hangs, and it starts again" within 90 bash -c \
        "[ \"\$(systemctl show -P MainPID martlet-agent)\" != $process ] && systemctl is-active martlet-agent"
    expect "as the same program" grep -q /agent/programs/ <<<"$(agent_program)"
    expect "and it serves" within 90 ask

    expect "one that ends at once fails its rollout" exits 75 \
        martlet rollout start "platform/martlet-agent:9${version#?}" --fleet lab --slot martlet-agent --soak 1s --wait
    went_back crashLoop
    rm -r /run/systemd/system/martlet-agent.service.d
    systemctl daemon-reload
}

# A program on trial is gone again, the one before it serves, and the registry knows.
went_back() {
    expect "it was taken back ($1)" within 30 test -e "/var/lib/martlet-agent/agent/returned-$1.json"
    expect "the agent before it runs" within 60 agent_says "^version +7"
    expect "from its own file" grep -q /agent/programs/ <<<"$(agent_program)"
    expect "and serves" within 90 ask
}

# Engines as units: martlet-runtime@SLOT-GENERATION.service.
units() {
    sed -i 's/"threads": 1,/"threads": 1, "launcher": "systemd", "niceness": 5,/' /etc/martlet/agent.json
    systemctl restart martlet-agent
    expect "an engine's unit serves" within 90 ask
    local unit pid version
    martlet publish /opt/fixtures/tiny-v2.Q4_0.gguf --as clinic/triage:2.0.0 || failed "publish"
    expect "a swap from unit to unit" martlet rollout start clinic/triage:2.0.0 --fleet lab --slot triage \
        --memory-mib 500 --cpu-percent 50 --soak 1s --wait
    expect "the unit of before has ended" within 60 bash -c \
        "[ \"\$(systemctl list-units --plain --no-legend --state=active 'martlet-runtime@*' | wc -l)\" = 1 ]"
    expect "it answers" within 90 ask
    unit=$(engine_unit) pid=$(engine_pid)
    unit_limits
    expect "and had to wait for processor time at its start" bash -c \
        "grep -q 'nr_throttled [1-9]' /sys/fs/cgroup$(unit_group "$unit")/cpu.stat"
    echo "note: $unit"
    expect "its unit is a template's instance for slot and generation" grep -Eq '^martlet-runtime@triage-[^.]+\.service$' <<<"$unit"
    # The 19th word; the second is the program's name, in brackets.
    expect "it is as nice as the configuration says" test "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f17)" = 5
    expect "its user comes and goes with it" test "$(stat -c %u "/proc/$pid")" -ge 61184
    expect "it is confined by seccomp" grep -q 'Seccomp:.2' "/proc/$pid/status"
    expect "it has no capabilities" grep -q 'CapEff:.0000000000000000' "/proc/$pid/status"
    expect "it can gain no privileges" grep -q 'NoNewPrivs:.1' "/proc/$pid/status"
    expect "its network is one of its own" test "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/1/ns/net)"
    expect "in which nothing is up but nothing" bash -c "! nsenter -t $pid -n cat /proc/net/route | grep -q '[0-9]'"
    expect "it sees no key of the device" refuse nsenter -t "$pid" -m ls /var/lib/martlet-agent/identity
    expect "nor the journal" refuse nsenter -t "$pid" -m ls /var/lib/martlet-agent/journal.sqlite
    expect "nor the rest of /var" refuse nsenter -t "$pid" -m ls /var/lib/martlet-registry
    expect "it sees its weights" nsenter -t "$pid" -m ls /var/lib/martlet-agent/blobs/sha256
    expect "and cannot write them" refuse nsenter -t "$pid" -m touch /var/lib/martlet-agent/blobs/sha256/x
    expect "nor the system" refuse nsenter -t "$pid" -m touch /usr/x
    expect "nor the configuration" refuse nsenter -t "$pid" -m touch /etc/x
    expect "its socket answers" nsenter -t "$pid" -m ls "/var/lib/martlet-agent/run/engines/triage"
    expect "the agent may not start other units" refuse runuser -u martlet-agent -- \
        systemctl --no-ask-password start martlet-registry.service

    systemctl restart martlet-agent
    expect "after a restart of the agent it answers" within 90 ask
    expect "and the same engine was adopted" test "$(engine_pid)" = "$pid"
    kill -KILL "$(agent_pid)"
    expect "after the agent was killed it answers" within 90 ask
    expect "and the same engine was adopted again" test "$(engine_pid)" = "$pid"
    kill -KILL "$pid"
    expect "an engine that dies is started again" within 90 ask
    expect "as another process" test "$(engine_pid)" != "$pid"

    # An agent that hangs, while the engine is a unit of its own.
    pid=$(engine_pid) version=$(martlet-agent --version)
    expect "an agent that hangs on trial fails its rollout" exits 75 \
        martlet rollout start "platform/martlet-agent:8${version#?}" --fleet lab --slot martlet-agent --soak 1s --wait
    went_back noPoll
    expect "by the same engine, which two other agents did not disturb" test "$(engine_pid)" = "$pid"

    # Memory: far less than the engine has, all of a sudden.
    unit=$(engine_unit)
    systemctl set-property --runtime "$unit" MemoryMax=4M MemorySwapMax=0
    expect "an engine over its limit of memory is ended by the kernel" within 60 bash -c \
        '[ "$(systemctl show -P MainPID "'"$unit"'")" != '"$pid"' ]'
    expect "it is started again" within 90 ask
    expect "the registry knows why" within 30 bash -c 'martlet devices reports box-1 --output json | grep -q "more than its limit"'
    unit_limits
    systemctl stop martlet-agent
    expect "where the agent is stopped for good, its engines end" within 60 bash -c \
        "[ -z \"\$(systemctl list-units --plain --no-legend --state=active 'martlet-runtime@*')\" ]"
    systemctl start martlet-agent
    expect "started again, it serves" within 90 ask
}

# People of a group ask the agent: the drop-in that docs/systemd.md gives.
people() {
    local asker=(setpriv --reuid 20001 --regid 20001 --clear-groups) member
    groupadd --gid 20002 ward
    member=(setpriv --reuid 20001 --regid 20001 --groups 20002)
    sed -i 's/"policy":/"control": {"readGroups": ["ward"]}, "policy":/' /etc/martlet/agent.json
    mkdir -p /run/systemd/system/martlet-agent.service.d
    printf '[Service]\nPrivateUsers=no\nStateDirectoryMode=0751\n%s\n' \
        'ExecStartPost=/bin/chmod 0755 /var/lib/martlet-agent/run' >/run/systemd/system/martlet-agent.service.d/people.conf
    systemctl daemon-reload
    systemctl restart martlet-agent
    expect "a person of a group that may ask is answered" within 30 "${member[@]}" martlet-agent status
    expect "one of none is not" refuse "${asker[@]}" martlet-agent status
    expect "and nobody of them changes anything" refuse "${member[@]}" martlet-agent rollback triage
    expect "nor looks into the data" refuse "${member[@]}" ls /var/lib/martlet-agent
    rm -r /run/systemd/system/martlet-agent.service.d
    systemctl daemon-reload
    systemctl restart martlet-agent
    expect "without the drop-in it serves" within 90 ask
}

# The limits of the assignment at an engine's unit.
unit_limits() {
    local group
    group=$(unit_group "$(engine_unit)")
    expect "the kernel has the unit's limit of memory" test "$(group_file "$group" memory.max)" = $((500 << 20))
    expect "and its limit of processor time" test "$(group_file "$group" cpu.max)" = "50000 100000"
    expect "the agent says so" agent_says 'limited to memory 500.* 50 % of a processor \(unit\)'
}

# After the power button, without a registry: from disk.
second() {
    local answered
    if within 60 ask; then
        answered=$(cut -d' ' -f1 /proc/uptime)
        ok "it serves after a boot without a registry"
        echo "figure: an answer $answered s after the kernel started"
        echo "figure: agent ready $(($(property martlet-agent ActiveEnterTimestampMonotonic) / 1000)) ms after it, started at $(($(property martlet-agent ExecMainStartTimestampMonotonic) / 1000)) ms"
    else
        failed "it serves after a boot without a registry"
    fi
    expect "the agent that came over the air runs" agent_says "^version +7"
    expect "from its own file" grep -q /agent/programs/ <<<"$(agent_program)"
    unit_limits
    expect "the registry is not there" refuse systemctl is-active martlet-registry
    expect "the enrolment is skipped" is martlet-agent-enrol ConditionResult no
    expect "no unit of Martlet failed" bash -c '[ -z "$(systemctl list-units --failed --plain --no-legend "martlet*")" ]'
    packages
}

# What dpkg does to a service that runs.
packages() {
    local agent engine
    agent=$(agent_pid) engine=$(engine_pid)
    expect "a newer package installs" dpkg -i /opt/upgrade/martlet-agent.deb
    expect "the agent was started again" test "$(agent_pid)" != "$agent"
    expect "and is ready" within 60 systemctl is-active martlet-agent
    expect "it answers" within 90 ask
    expect "by the same engine, which the upgrade did not end" test "$(engine_pid)" = "$engine"
    expect "the scrub's timer is there still" systemctl is-active martlet-agent-scrub.timer
    expect "the package goes" dpkg -r martlet-agent
    expect "the agent has ended" refuse systemctl is-active martlet-agent
    expect "and so have its engines" bash -c \
        "[ -z \"\$(systemctl list-units --plain --no-legend --state=active 'martlet-runtime@*')\" ]"
    expect "the device's key and models stay until a purge" test -d /var/lib/martlet-agent/blobs/sha256 -a \
        -d /var/lib/martlet-agent/identity
    expect "dpkg purges" dpkg -P martlet-agent
    expect "and nothing of the device is left" refuse test -e /var/lib/martlet-agent/identity
}

case $part in
first) first ;;
second) second ;;
*) failed "no part is named" ;;
esac
finish
