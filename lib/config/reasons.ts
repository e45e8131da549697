/** Why keys have no effect. What is `LATER` names the thing that it waits for. */
export const LATER = {
  REPLY: 'replies are handed to who waits for them, and not stored yet',
  ACCESS: 'access control is not there yet',
  METRICS: 'there is no metrics endpoint yet',
  CLIENT_TLS: 'connections to name servers are not encrypted yet',
  CLIENT: 'there is no client in this package yet; Apache\'s clients are set up in the program that uses them',
  DISK_RATIO: 'the share of the disk in use is not looked at yet; sends are refused before the disk is full'
} as const

export const IGNORED = {
  THREADS: 'one thread does the work, there are no pools to size',
  QUEUE_WAIT: 'a request is refused at once when too many are under way, and not dropped later for having waited',
  MAPPED: 'files are read and written by plain calls, none is mapped into memory',
  ONE_STORE: 'a half message is stored once, and what became of it is an entry of the log',
  ONE_LOG: 'consumer progress, topics and groups are entries of the log, as durable as the messages',
  EXACT_TIMES: 'times of delivery are kept to the millisecond',
  POP: 'check-outs of pop are entries of the log, there are no check-point messages, buffers or retry topics to set up; what waits is bounded',
  DELAY_FILES: 'messages that wait are part of the state in the log; there are no files, threads or slots for them to size',
  QUEUE_FILES: 'consume queues and indexes are not files of their own',
  DIRECTORY: 'all data is below storePathRootDir',
  REPLICATION: 'nodes of a group copy the log over the links of the group',
  CONTROLLER: 'the nodes of a group elect their leader themselves, there is no controller',
  ACTING_MASTER: 'a group elects a new leader; no replica acts for one that is gone',
  REGISTRATION: 'every registration is complete, in one piece and not compressed',
  ADDRESS_SERVER: 'name servers are those of namesrvAddr; their host names are resolved at every connection',
  SOCKETS: 'sockets and buffers are bounded by settings of their own',
  STATE_DATABASE: 'the state database has settings of its own',
  FILTER: 'filters are compiled once and evaluated on the stored properties, within bounds of their own; messages are kept without anything about filters',
  COLD: 'reads of old data have a small cache of their own and do not displace new data',
  NOT_THERE: 'RocketMQ\'s feature behind it is not part of this broker',
  CHECKSUMS: 'every entry has checksums, always checked',
  STATISTICS: 'statistics are always kept and cost nothing to speak of',
  CONFIG_FILE: 'changes at run time go into the file given with -c',
  HOME: 'nothing is read from an installation directory'
} as const
