/**
 * Stands in for `async-hook-domain`, with which tap follows every promise so that it can tell to which test an uncaught error
 * belongs. That doubles the price of whatever awaits much. Here an uncaught error ends the file, with its stack, as it ends any program.
 */
export class Domain {
  readonly onerror: (error: unknown, type: string) => unknown

  constructor (onerror: (error: unknown, type: string) => unknown) {
    this.onerror = onerror
  }

  destroy (): void {}
}
