/**
 * Formats of the data directory and of what stands in the log:
 *
 *     1  the first
 *     2  the log says which format the group writes (raiseFormat), and the state keeps it
 *     3  half messages of transactions, messages that are remembered (dedupe), values by key; what an entry schedules is one command
 *
 * A change that older code cannot read adds a number. A directory is upgraded when it is opened (upgrade.ts), and bears the
 * newest format that its node may write; a node may read all from the oldest one on. What goes into the log, and to other
 * nodes, is of the *group's* format (Store.formatVersion), which the leader raises once every member reads the next one.
 */
export const DATA_FORMAT_VERSION = 3
export const OLDEST_DATA_FORMAT = 1
