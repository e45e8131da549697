/** Ms since 1970 that a Date or a text names (NaN: none); undefined when the value is neither. */
export function millisecondsOf (value: unknown): number | undefined {
  if (value instanceof Date) return value.getTime()
  return typeof value === 'string' ? new Date(value).getTime() : undefined
}
