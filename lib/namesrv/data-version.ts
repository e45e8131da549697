import { jsonLong, type JsonFields, type JsonMap } from '../message/index.ts'

/** A Java long; a bigint where a number would not hold it exactly. */
export type Long = number | bigint

/**
 * Which state of a broker's topics a registration tells. Versions are equal when all three are; who claims a place that
 * another holds is compared by `stateVersion` alone, which is the Raft term of a broker group.
 * @see RocketMQ DataVersion
 */
export interface DataVersion {
  readonly stateVersion: Long
  /** Of the last change, ms since 1970. */
  readonly timestamp: Long
  /** Changes since the broker began to count. */
  readonly counter: Long
}

export const noDataVersion: DataVersion = { stateVersion: 0, timestamp: 0, counter: 0 }

export function isSameVersion (a: DataVersion, b: DataVersion): boolean {
  return a.stateVersion === b.stateVersion && a.timestamp === b.timestamp && a.counter === b.counter
}

/** Fields that are missing or no numbers are 0. */
export function readDataVersion (map: JsonMap | undefined): DataVersion {
  const long = (name: string): Long => jsonLong(map?.get(name)) ?? 0
  return { stateVersion: long('stateVersion'), timestamp: long('timestamp'), counter: long('counter') }
}

export function dataVersionFields ({ stateVersion, timestamp, counter }: DataVersion): JsonFields {
  return { stateVersion, timestamp, counter }
}
