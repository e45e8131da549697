import type { Disk } from '../../lib/base/index.ts'
import type { RaftLog } from '../../lib/log/index.ts'

/** A planted bug. The simulator must notice it, or it cannot be trusted when it notices nothing. */
export interface Mutant {
  readonly name: string
  wrapDisk? (disk: Disk): Disk
  afterLogOpen? (log: RaftLog): void
  onLogOpen? (log: RaftLog): Promise<void>
}
