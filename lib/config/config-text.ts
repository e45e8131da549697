import { originText, type EffectiveConfig } from './effective-config.ts'
import { reasonOf, type KeyTable } from './key.ts'
import { formatProperties } from './properties.ts'
import { keyTables, type SectionName } from './sections.ts'

/** The values as a properties text, as tools ask for them; without secrets. */
export function toProperties<Section extends SectionName> ({ section, values }: EffectiveConfig<Section>): string {
  const table: KeyTable = keyTables[section]
  return formatProperties(Object.entries(table)
    .filter(([, { isSecret }]) => !isSecret)
    .map(([key, { type }]) => [key, type.format(values[key as keyof typeof values])] as const))
}

/** One line per key: its value, where that came from, and why it has no effect when it has none. */
export function configTable<Section extends SectionName> ({ section, values, origins }: EffectiveConfig<Section>): string {
  const table: KeyTable = keyTables[section]
  const rows = Object.entries(table).map(([key, definition]) => {
    const value = values[key as keyof typeof values]
    const origin = origins[key as keyof typeof origins]
    const written = origin.kind === 'file' && origin.writtenAs !== key ? ` as ${origin.writtenAs}` : ''
    const shown = definition.isSecret && value !== '' ? '***' : definition.type.format(value)
    const isOpen = origin.kind === 'default' && value === definition.default
    const reason = reasonOf(definition)
    return [key, isOpen ? definition.defaultText : shown, `${originText(origin)}${written}`, reason === undefined ? '' : `no effect: ${reason}`]
  })
  const all = [['key', 'value', 'from', ''], ...rows]
  const widths = [0, 1, 2].map((column) => Math.min(60, Math.max(...all.map((row) => row[column]!.length))))
  return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n') + '\n'
}
