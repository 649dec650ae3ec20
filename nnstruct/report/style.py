"""The look of a report."""

from __future__ import annotations

CSS = """
:root { --ink: #22303c; --soft: #5c6b78; --line: #dfe5ea; --ground: #f5f7f9; --blue: #3a6ea5;
  --orange: #d1661e; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 28px 20px 40px; }
.brand { margin: 0; color: var(--blue); font-weight: 600; letter-spacing: .04em; }
h1 { margin: 0 0 18px; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 0 0 10px; font-size: 1.25rem; }
h3 { margin: 14px 0 8px; font-size: 1rem; }
section { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 22px 24px;
  margin: 0 0 18px; }
p { margin: 0 0 12px; max-width: 46rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin: 0 0 18px; }
.fact { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; }
.fact b { display: block; font-size: 1.5rem; line-height: 1.25; font-weight: 650; }
.fact span { color: var(--soft); font-size: .86rem; line-height: 1.35; display: block; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 1fr)); gap: 18px;
  align-items: center; }
.nets { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 250px), 1fr)); gap: 14px; }
figure { margin: 0; }
figure.one { max-width: 620px; }
img { width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .86rem; line-height: 1.4; margin-top: 4px; }
figcaption b { color: var(--ink); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; width: 100%; }
th, td { text-align: right; padding: 6px 8px; border-bottom: 1px solid var(--line); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
thead th { color: var(--soft); font-weight: 600; }
td small { color: var(--soft); display: block; font-weight: 400; line-height: 1.2; }
tr.ceiling td { color: var(--orange); font-weight: 600; border-bottom: 0; }
ol { margin: 0; padding-left: 1.3em; }
ol li { margin: 0 0 4px; }
.seconds { color: var(--soft); white-space: nowrap; }
pre { background: var(--ground); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px;
  margin: 0 0 14px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .86rem; }
footer { color: var(--soft); font-size: .86rem; text-align: center; padding: 8px; }
@media (max-width: 560px) { main { padding: 18px 12px 28px; } section { padding: 16px 14px; }
  h1 { font-size: 1.5rem; } .facts { grid-template-columns: 1fr 1fr; } }
"""
