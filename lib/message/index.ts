export * from './record.ts'
export * from './properties.ts'
export * from './tags-code.ts'
export { EntryBodyWriter, EntryBody, type BodyTarget, type BodyCommand } from './entry-body.ts'
