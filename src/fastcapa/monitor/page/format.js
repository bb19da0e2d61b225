// Numbers as people read them, and elements.
const UNITS = ["", "k", "M", "G", "T"];

export function count(number) {
  let unit = 0;
  let value = Math.abs(number);
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 && Number.isInteger(value) ? 0 : value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)}${unit ? ` ${UNITS[unit]}` : ""}`;
}

export const rate = (number) => `${count(Math.round(number))}/s`;
export const bits = (number) => `${count(Math.round(number)).replace(/\d$/, "$& ")}bit/s`;
export const percent = (share) => `${Math.round(share * 100)} %`;

export function milliseconds(value) {
  if (value === null) return "–";
  if (value >= 999.5) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(value >= 99.5 || Number.isInteger(value) ? 0 : 1)} ms`;
}

// For an axis: 2.5 k, not 2.50 k.
export const round = (number) => count(number).replace(/(\.\d*?)0+( |$)/, "$1$2").replace(/\.( |$)/, "$1");

export function duration(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

// Text is always set as text: nothing that a broker or a file is called becomes markup.
export function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
