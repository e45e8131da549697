import { MqError } from '../base/index.ts'

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Delays by level; level 1 is the first. @see RocketMQ messageDelayLevel */
export const DEFAULT_DELAY_LEVELS = '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'

/** @throws MQ_INVALID_ARGUMENT the text is no list of delays as above */
export function parseDelayLevels (text: string): readonly number[] {
  return text.trim().split(/\s+/).map((delay) => {
    const parts = /^(\d{1,9})([smhd])$/.exec(delay)
    if (parts === null) throw new MqError('MQ_INVALID_ARGUMENT', `${delay.slice(0, 32)} is no delay: write a number and s, m, h or d`)
    return Number(parts[1]) * UNIT_MS[parts[2]!]!
  })
}

/** How long a message of that level waits; a level beyond the last counts as the last, 0 and less as none. */
export function delayOfLevel (levels: readonly number[], level: number): number {
  return level <= 0 ? 0 : levels[Math.min(level, levels.length) - 1] ?? 0
}
