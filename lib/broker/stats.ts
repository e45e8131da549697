/** Counts of what a broker has done since it started. */
export class BrokerStats {
  putMessages = 0
  putBytes = 0
  failedPuts = 0
  gotMessages = 0
  gotBytes = 0
  foundPulls = 0
  missedPulls = 0

  stored (_topic: string, messages: number, bytes: number): void {
    this.putMessages += messages
    this.putBytes += bytes
  }

  sendFailed (): void { this.failedPuts++ }

  got (_topic: string, _group: string, messages: number, bytes: number): void {
    if (messages === 0) {
      this.missedPulls++
      return
    }
    this.foundPulls++
    this.gotMessages += messages
    this.gotBytes += bytes
  }
}
