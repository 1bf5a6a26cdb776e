/** Two confirmds may lie under one host. */
const ITEM = `confirmd key ${location.pathname}`

export function readKey(): string | null {
  return sessionStorage.getItem(ITEM) ?? localStorage.getItem(ITEM)
}

/** For this tab, or for as long as the browser keeps it. */
export function keepKey(key: string, { forLong }: { readonly forLong: boolean }): void {
  forgetKey()
  const storage = forLong ? localStorage : sessionStorage
  storage.setItem(ITEM, key)
}

export function forgetKey(): void {
  sessionStorage.removeItem(ITEM)
  localStorage.removeItem(ITEM)
}
