/**
 * How often each fault has really happened: by its kind, the role of the node it met, and what the group was doing. A
 * combination that never comes is a hole in the simulation.
 */
export class FaultCounts {
  readonly #counts = new Map<string, number>()

  note (kind: string, role: string, phase: string): void { this.#add(`${kind}/${role}/${phase}`, 1) }

  /** Of what happens to messages, which are of no role. */
  add (kind: string, count: number): void { if (count > 0) this.#add(kind, count) }

  merge (counts: Readonly<Record<string, number>>): void {
    for (const [key, count] of Object.entries(counts)) this.#add(key, count)
  }

  toObject (): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => a < b ? -1 : 1))
  }

  /** One line for each kind, with the roles and the phases it was seen in, and those that both have and that were never seen together. */
  lines (): string[] {
    const kinds = new Map<string, { total: number, roles: Map<string, number>, phases: Map<string, number>, seen: Set<string> }>()
    for (const [key, count] of this.#counts) {
      const [kind, role, phase] = key.split('/') as [string, string?, string?]
      const known = kinds.get(kind) ?? { total: 0, roles: new Map(), phases: new Map(), seen: new Set() }
      kinds.set(kind, known)
      known.total += count
      if (role === undefined || phase === undefined) continue
      known.roles.set(role, (known.roles.get(role) ?? 0) + count)
      known.phases.set(phase, (known.phases.get(phase) ?? 0) + count)
      known.seen.add(`${role} while ${phase}`)
    }
    const shown = (counts: ReadonlyMap<string, number>) => [...counts].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(', ')
    return [...kinds].sort(([a], [b]) => a < b ? -1 : 1).map(([kind, { total, roles, phases, seen }]) => {
      if (seen.size === 0) return `${kind}: ${total}`
      const never = [...roles.keys()].flatMap((role) => [...phases.keys()].map((phase) => `${role} while ${phase}`)).filter((both) => !seen.has(both))
      return `${kind}: ${total} (${shown(roles)}; ${shown(phases)}${never.length === 0 ? '' : `; never ${never.join(', ')}`})`
    })
  }

  #add (key: string, count: number): void { this.#counts.set(key, (this.#counts.get(key) ?? 0) + count) }
}
