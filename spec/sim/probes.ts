import type { Disk } from '../../lib/base/index.ts'
import { RaftLog } from '../../lib/log/index.ts'
import { Replica } from '../../lib/replica/index.ts'
import { Store } from '../../lib/store/index.ts'

/** Told of what the shipped code opens on a disk, before anything is done with it. */
export interface Probe {
  readonly onLog: (log: RaftLog) => void
  readonly onStore: (store: Store) => void
  readonly onReplica: (replica: Replica) => void
}

const probes = new WeakMap<Disk, Probe>()

/** Whoever opens a log, a store or a replica on that disk: the probe sees it first. */
export function watchDisk (disk: Disk, probe: Probe): void { probes.set(disk, probe) }

function tell<Options extends { readonly disk: Disk }, Opened> (type: { open (options: Options): Promise<Opened> }, say: (probe: Probe, opened: Opened) => void): void {
  const open = type.open.bind(type)
  type.open = async (options) => {
    const opened = await open(options)
    const probe = probes.get(options.disk)
    if (probe !== undefined) say(probe, opened)
    return opened
  }
}

tell(RaftLog, (probe, log) => { probe.onLog(log) })
tell(Store, (probe, store) => { probe.onStore(store) })
tell(Replica, (probe, replica) => { probe.onReplica(replica) })
