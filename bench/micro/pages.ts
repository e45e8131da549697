import { PAGE_UNITS, UnitPage, decodeUnits, encodeUnits } from '../../lib/store/unit-page.ts'
import type { MicroSuite } from './suite.ts'

/** Consume-queue pages: filled unit by unit at apply, encoded at a checkpoint, decoded for a cold read. */
export const pages: MicroSuite = async (add) => {
  const fill = (): UnitPage => {
    const page = new UnitPage(7, 0)
    for (let unit = 0; unit < PAGE_UNITS; unit++) page.push(unit * 1200, 1200, 17, 1_800_000_000_000 + unit)
    return page
  }
  const full = fill()
  const stored = encodeUnits(full, 0, PAGE_UNITS)
  add(`append ${PAGE_UNITS} units to a new page`, fill)
  add('encode a whole page', () => encodeUnits(full, 0, PAGE_UNITS))
  add('decode a whole page', () => decodeUnits(7, stored))
}
