import { getHeapStatistics, setFlagsFromString } from 'node:v8'

const MIB = 1024 * 1024
/** Garbage that may gather, where little is alive, before the whole heap is looked through for it. */
const GARBAGE_BYTES = 96 * MIB
const MOST_PERCENT = 700
/** Where more is alive than garbage may gather, V8 knows best. */
const LEAST_PERCENT = 100
const V8_DECIDES = 0
const LOOK_EVERY_MS = 5000

/**
 * Has V8 look through the whole heap less often. It does so each time about as much was allocated as is alive, and memory for
 * bytes from sockets counts: a server under load, with 15 MiB alive, did it a dozen times a second, which took a third
 * of the processor time of a group of three. How far the heap may grow is a part of what is alive, so that is looked at now and then.
 */
export function letHeapGrow (): void {
  let percent = V8_DECIDES
  const look = (): void => {
    const fitting = Math.round(100 * GARBAGE_BYTES / getHeapStatistics().used_heap_size)
    const wanted = fitting < LEAST_PERCENT ? V8_DECIDES : Math.min(fitting, MOST_PERCENT)
    // each change is a call into V8; small ones are not worth it
    if (Math.abs(wanted - percent) * 10 < percent) return
    percent = wanted
    setFlagsFromString(`--heap-growing-percent=${percent}`)
  }
  look()
  setInterval(look, LOOK_EVERY_MS).unref()
}
