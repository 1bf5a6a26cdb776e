const WEI_DECIMALS = 18
const GWEI_DECIMALS = 9

/** A whole number of any size, exactly, with separators. */
export function wholeNumber(digits: string | number): string {
  return BigInt(digits).toLocaleString('en')
}

/** `25 gwei`, exactly. */
export function gwei(wei: string): string {
  return `${shifted(BigInt(wei), GWEI_DECIMALS)} gwei`
}

/** What was paid, in whole coins, exactly. */
export function coins(wei: bigint): string {
  return shifted(wei, WEI_DECIMALS)
}

function shifted(amount: bigint, decimals: number): string {
  const digits = amount.toString().padStart(decimals + 1, '0')
  const fraction = digits.slice(-decimals).replace(/0+$/, '')
  const whole = BigInt(digits.slice(0, -decimals)).toLocaleString('en')
  return fraction === '' ? whole : `${whole}.${fraction}`
}
