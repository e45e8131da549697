import type { VirtualClock } from '../../lib/adapters/index.ts'

/** Virtual time, in steps: what is due is dealt with when it is. */
export async function letPass (clock: VirtualClock, ms: number, stepMs = 100): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await clock.advance(Math.min(stepMs, ms - passed))
    for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve))
  }
}
