/**
 * One call of a client on a register. `returnedAt` is Infinity where the outcome is unknown: a write may then take effect at
 * any time after `calledAt`, or never. Calls that were answered as not done are left out. No two writes of a key write the same
 * value, and none writes `undefined`, which is what a register holds before its first write.
 */
export interface RegisterCall {
  readonly key: string
  readonly kind: 'write' | 'read'
  /** What was written, or what the read gave. */
  readonly value: string | number | undefined
  readonly calledAt: number
  readonly returnedAt: number
}

/**
 * Whether there is one order of all calls of each key in which each takes effect between its call and its return, and every read
 * gives what was written last. Returns one line for each key without such an order. Keys are looked at apart, as a register's
 * order does not depend on another's.
 * @see Wing and Gong, Testing and Verifying Concurrent Objects (1993); states met before are not looked at again, as in Lowe's
 * Testing for Linearizability (2017)
 */
export function checkRegisters (calls: Iterable<RegisterCall>): string[] {
  const byKey = new Map<string, RegisterCall[]>()
  for (const call of calls) {
    const ofKey = byKey.get(call.key)
    if (ofKey === undefined) byKey.set(call.key, [call])
    else ofKey.push(call)
  }
  return [...byKey].flatMap(([key, ofKey]) => {
    const stuck = stuckAt(bounded(key, ofKey))
    return stuck === undefined ? [] : [`${key}: ${describe(stuck)} fits no order`]
  })
}

/**
 * Reads of unknown outcome say nothing. A write of unknown outcome whose value nobody has read may be left out as well; one
 * whose value was read took effect before the first such read returned. Without this each would double the orders to look at.
 */
function bounded (key: string, calls: readonly RegisterCall[]): RegisterCall[] {
  const readBy = new Map<RegisterCall['value'], number>()
  const written = new Set<RegisterCall['value']>()
  for (const { kind, value, returnedAt } of calls) {
    if (kind === 'read') readBy.set(value, Math.min(returnedAt, readBy.get(value) ?? Infinity))
    else if (value === undefined || written.has(value)) throw new Error(`${key}: ${value} is written twice`)
    else written.add(value)
  }
  return calls
    .map((call) => call.kind === 'write' && call.returnedAt === Infinity ? { ...call, returnedAt: Math.max(call.calledAt, readBy.get(call.value) ?? Infinity) } : call)
    .filter(({ returnedAt }) => returnedAt !== Infinity)
    .sort((a, b) => a.calledAt - b.calledAt)
}

/** Of calls by the time they were made: undefined when there is an order; else the call that comes next in time where the longest order ends. */
function stuckAt (calls: readonly RegisterCall[]): RegisterCall | undefined {
  const isPlaced = new Uint8Array(calls.length)
  const met = new Set<string>()
  const order: Array<{ readonly place: number, readonly before: RegisterCall['value'] }> = []
  let value: RegisterCall['value']
  let first = 0
  let tryFrom = 0
  let longest = -1
  let stuck: RegisterCall | undefined
  for (;;) {
    while (first < calls.length && isPlaced[first] === 1) first++
    if (first === calls.length) return undefined
    const next = earliestReturn(calls, isPlaced, first)
    if (order.length > longest) {
      longest = order.length
      stuck = next
    }
    let found = -1
    for (let place = Math.max(first, tryFrom); place < calls.length && calls[place]!.calledAt <= next.returnedAt; place++) {
      const call = calls[place]!
      if (isPlaced[place] === 1 || (call.kind === 'read' && call.value !== value)) continue
      // a read that fits now can come now: nothing is lost by it
      if (call.kind === 'read') {
        found = place
        break
      }
      if (found >= 0) continue
      isPlaced[place] = 1
      const state = stateKey(isPlaced, first, order.length + 1, call.value)
      isPlaced[place] = 0
      if (!met.has(state)) found = place
    }
    if (found >= 0) {
      const call = calls[found]!
      isPlaced[found] = 1
      order.push({ place: found, before: value })
      if (call.kind === 'write') {
        value = call.value
        met.add(stateKey(isPlaced, first, order.length, value))
      }
      tryFrom = 0
      continue
    }
    let last = order.pop()
    while (last !== undefined) {
      isPlaced[last.place] = 0
      value = last.before
      first = Math.min(first, last.place)
      if (calls[last.place]!.kind === 'write') break
      last = order.pop()
    }
    if (last === undefined) return stuck
    tryFrom = last.place + 1
  }
}

/** Of those not placed yet, the one that has returned first: nothing that was called later may come before it. */
function earliestReturn (calls: readonly RegisterCall[], isPlaced: Uint8Array, first: number): RegisterCall {
  let earliest = calls[first]!
  for (let place = first; place < calls.length && calls[place]!.calledAt <= earliest.returnedAt; place++) {
    if (isPlaced[place] === 0 && calls[place]!.returnedAt < earliest.returnedAt) earliest = calls[place]!
  }
  return earliest
}

/** What is placed, short: all before the first gap, and the few behind it. */
function stateKey (isPlaced: Uint8Array, from: number, count: number, value: RegisterCall['value']): string {
  let first = from
  while (isPlaced[first] === 1) first++
  let behind = ''
  for (let place = first + 1, left = count - first; left > 0; place++) {
    if (isPlaced[place] === 0) continue
    behind += ` ${place}`
    left--
  }
  return `${first}${behind} ${typeof value} ${value}`
}

function describe ({ kind, value, calledAt, returnedAt }: RegisterCall): string {
  return `the ${kind} of ${value} from ${calledAt} to ${returnedAt}`
}
