"""Short documents in the usual forms, as text."""

CONTRACT = """\
[page 1]
SERVICES AGREEMENT

This Services Agreement is entered into as of January 5, 2026 by and between
Umbra Analytics, Inc., a Delaware corporation (the "Provider") and Coastal Foods LLC ("Client").

1. Services. Provider shall provide the services described in Exhibit A. Client agrees to pay
Provider $12,500 per month.
2. Term. This Agreement starts on February 1, 2026 and continues for a period of two (2) years.
Either party may terminate this Agreement upon 45 days' written notice.
[page 2]
3. Limitation of liability. In no event shall Provider's liability exceed USD 1.5 million.
4. Client shall indemnify, defend and hold harmless Provider. All fees are non-refundable.
5. This Agreement shall be governed by the laws of the State of New York.
"""

INVOICE = """\
ACME Tools GmbH
Industriestrasse 12, 8005 Zürich

INVOICE No. 2026-118

Invoice date: 03.11.2026
Due date: 03.12.2026
Invoice to: Northwind Traders Ltd
14 High Street, Leeds

Description Qty Unit price Amount (CHF)
Consulting, October 12 150.00 1'800.00
Travel expenses 1 320.50 320.50
Discount -100.00
Subtotal 2'020.50
VAT 8.1% 163.66
Total due CHF 2'184.16

Please pay within 30 days of receipt.
A reminder fee of CHF 20.00 applies to overdue invoices.
"""

LETTER = """\
Dear Ms Okafor,

Thank you for your letter of March 3, 2026. We confirm that the loan of $250 thousand was paid out on 02/27/2026.
Repayment starts on April 1st, 2026 in monthly payments of US$4,500. You must notify us at least thirty (30) days
before any early repayment. If a payment is late, we may terminate the loan without notice.

Please send the signed copy back by 15 March 2026.

Yours sincerely,
Daniel Reyes
Head of Lending
"""

LEASE = """\
[page 1]
This Lease is made on 14 December 2026 between Ardmore Quay Properties Limited, a company registered in
Ireland (the “Landlord”), and Brightwater Studio Limited (the “Tenant”).
2.1 The lease commences on 1 February 2027 for a fixed term of 36 months.
2.2 The lease ends on 31 December 2029.
3.1 The Tenant shall pay a rent of €2,400.00 per month and a deposit of €7,200.00.
3.2 The Tenant must not sublet the premises.
[page 2]
Payment Due Amount
Deposit 15 January 2027 €7,200.00
Monthly rent 1 February 2027 €2,450.00
Total due at the start 1 February 2027 €9,550.00
"""
