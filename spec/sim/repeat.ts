import type { World } from './world.ts'

/** Does `act` around every `everyMs` until it is over; Infinity: never. */
export function repeat (world: Pick<World, 'clock' | 'random'>, everyMs: number, isOver: () => boolean, act: () => void): void {
  if (everyMs === Infinity) return
  const { clock, random } = world
  clock.setTimer(everyMs * (0.5 + random.next()), () => {
    if (isOver()) return
    act()
    repeat(world, everyMs, isOver, act)
  })
}
