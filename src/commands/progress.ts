/** A line on standard error that is drawn over itself; nothing where that is no terminal. */
export interface Progress {
  /** Without a bar where the total is not known. */
  show(done: number, total?: number): void
  /** Takes the line away. */
  end(): void
}

const BAR_CHARS = 30
const ERASE_LINE = '\r\u001b[K'

export function createProgress(what: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  const isShown = stream.isTTY === true
  return {
    show: (done, total) => {
      if (!isShown) return
      const shown = total === undefined ? `${done}` : `${progressBar(done, total)} ${done} of ${total}`
      stream.write(`${ERASE_LINE}${shown} ${what}`)
    },
    end: () => {
      if (isShown) stream.write(ERASE_LINE)
    },
  }
}

export function progressBar(done: number, total: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 1
  const full = Math.floor(share * BAR_CHARS)
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_CHARS - full)}]${percent}`
}
