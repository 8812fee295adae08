#!/usr/bin/env bash
# A SLURM of one node with two processors, for the tests in this folder. Usage, as root on Debian:
#
#     tests/cluster/slurm_on_one_node.sh install   # slurm and munge, by apt-get
#     tests/cluster/slurm_on_one_node.sh start     # until the machine is turned off, or: stop
#
# It starts the daemons without systemd, keeps their logs in /var/log/slurm, and ends with status 1
# and the last lines of the logs if the node is not ready within half a minute. A machine that has
# another configuration of SLURM is left as it is.
set -euo pipefail

configuration=/etc/slurm/slurm.conf
logs=/var/log/slurm
mark="# Written by ${0##*/}"

install() {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        slurmctld slurmd slurm-client munge >/dev/null
}

configure() {
    if [ -e "$configuration" ] && ! grep -qxF "$mark" "$configuration"; then
        echo "$configuration is not of this script" >&2
        return 1
    fi
    mkdir -p "$(dirname "$configuration")" "$logs" /var/spool/slurmctld /var/spool/slurmd
    cat >"$configuration" <<END
$mark
ClusterName=test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldLogFile=$logs/slurmctld.log
SlurmdLogFile=$logs/slurmd.log
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=10
MinJobAge=300
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
}

start() {
    configure
    mkdir -p /run/munge
    chown munge: /run/munge
    pgrep -x munged >/dev/null || runuser -u munge -- /usr/sbin/munged
    pgrep -x slurmctld >/dev/null || slurmctld
    pgrep -x slurmd >/dev/null || slurmd
    for _ in $(seq 30); do
        if [ "$(sinfo --noheader --format %T 2>/dev/null)" = idle ]; then
            sinfo
            return
        fi
        sleep 1
    done
    tail -n 5 "$logs"/*.log >&2
    stop
    return 1
}

stop() {
    pkill -x slurmd || true
    pkill -x slurmctld || true
    pkill -x munged || true
}

"$@"
