"""The words of the sample: an invented lease, with the slips that such papers have.

Monthly rent, end of the term and the total of the schedule do not agree with each other; that is meant.
"""

TITLE = "Commercial Lease Agreement"
SUBTITLE = "Ground floor studio, 14 Quay Street, Galway"
REFERENCE = "Reference AQP-2026-0417"

# (heading, clauses); a clause is a paragraph.
Section = tuple[str, tuple[str, ...]]

PAGES: tuple[tuple[Section, ...], ...] = (
    (
        (
            "Parties",
            (
                "This Agreement is made on 14 December 2026 between Ardmore Quay Properties Limited, a "
                "company registered in Ireland under number 604417 with its registered office at 2 Dock "
                "Road, Galway (the “Landlord”), and Brightwater Studio Limited, a company registered in "
                "Ireland under number 718826 with its registered office at 9 Mill Lane, Galway (the "
                "“Tenant”).",
                "The obligations of the Tenant are guaranteed by Ms Helena Brandt of 31 Salthill "
                "Terrace, Galway (the “Guarantor”), who is personally liable for the rent of the first "
                "twelve months.",
            ),
        ),
        (
            "1. Premises and permitted use",
            (
                "1.1 The Landlord lets to the Tenant the ground floor studio at 14 Quay Street, Galway, "
                "with a floor area of 96 square metres, two parking spaces and the use of the shared "
                "courtyard.",
                "1.2 The premises may be used only as a design studio and showroom. Any other use is "
                "subject to the prior written consent of the Landlord.",
                "1.3 The Landlord shall hand over the premises clean, empty and with all keys. The "
                "handover takes place on 29 January 2027 and is recorded in Annex B.",
            ),
        ),
        (
            "2. Term",
            (
                "2.1 The lease commences on 1 February 2027 for a fixed term of 36 months.",
                "2.2 The lease ends on 31 December 2029, unless it is renewed under clause 2.3.",
                "2.3 The lease is automatically renewed for a period of twelve (12) months at a time "
                "unless either party gives six months’ notice in writing before it ends.",
                "2.4 The Tenant has a break option: it may end the lease on 31 January 2028 if it gives the "
                "Landlord at least 90 days’ notice and pays a break fee of €4,800.00.",
            ),
        ),
    ),
    (
        (
            "3. Rent and other payments",
            (
                "3.1 The Tenant shall pay a rent of €2,400.00 per month, in advance, on the first "
                "working day of each month. The first rent is due on 1 February 2027.",
                "3.2 In addition the Tenant shall pay a service charge of €310.00 per month for heating, "
                "cleaning of the common parts and waste collection.",
                "3.3 Value-added tax is charged in addition at the rate in force.",
                "3.4 Where rent is overdue by more than seven days the Tenant shall pay a late fee of "
                "€75.00 and default interest of 8% a year on the outstanding balance.",
                "3.5 The Landlord may increase the rent once a year, for the first time on 1 February "
                "2028, by giving 60 days’ notice. An increase may not exceed 4% of the rent paid before.",
            ),
        ),
        (
            "4. Deposit",
            (
                "4.1 The Tenant shall pay a deposit of €7,200.00 on or before 15 January 2027.",
                "4.2 The Landlord shall return the deposit within 30 days after the end of the lease, "
                "less the cost of repairs for which the Tenant is liable.",
                "4.3 The Tenant forfeits the deposit if it leaves the premises before the end of the "
                "term without giving notice.",
            ),
        ),
        (
            "5. Repairs and insurance",
            (
                "5.1 The Landlord shall keep the structure, the roof and the heating system in good "
                "repair and must remedy defects within ten (10) working days of being told of them.",
                "5.2 The Tenant shall keep the inside of the premises in good condition and is liable "
                "for damage caused by its staff and its visitors.",
                "5.3 The Tenant must take out public liability insurance of at least €2,000,000 and show the "
                "policy to the Landlord by 31 January 2027 and once a year after that.",
            ),
        ),
    ),
    (
        (
            "6. Liability",
            (
                "6.1 The Tenant shall indemnify the Landlord against claims of third parties that arise "
                "from the Tenant’s use of the premises.",
                "6.2 The Landlord’s liability for loss of business is limited to €25,000.00 a year. "
                "Liability for injury to persons is not limited.",
            ),
        ),
        (
            "7. Breach and termination",
            (
                "7.1 If the Tenant does not pay the rent within 21 days after a written reminder, the "
                "Landlord may terminate this lease with immediate effect and re-enter the premises.",
                "7.2 If the Tenant does not vacate the premises at the end of the lease it shall pay a "
                "penalty of €180.00 per day until the keys are returned.",
                "7.3 The Tenant may terminate the lease if the premises cannot be used for more than 30 "
                "days for a reason that the Tenant did not cause.",
            ),
        ),
        (
            "8. General",
            (
                "8.1 The Tenant shall not sublet the premises or assign this lease without the written "
                "consent of the Landlord, which must not be withheld without a reason.",
                "8.2 Both parties shall keep the terms of this lease confidential.",
                "8.3 Each party agrees to process personal data of the other party’s staff only as far "
                "as this lease requires it.",
                "8.4 This lease is governed by the laws of Ireland. The courts of Galway have exclusive "
                "jurisdiction.",
                "8.5 This document and its annexes are the entire agreement of the parties. Changes must "
                "be made in writing and signed by both parties.",
            ),
        ),
    ),
)

SCHEDULE_TITLE = "Annex A. Schedule of payments"
SCHEDULE_LEAD = (
    "Amounts in EUR without value-added tax. Payable to the Landlord’s account, reference AQP-2026-0417."
)
# The rent of clause 3.1 is 2,400.00, and the rows come to 10,335.00.
SCHEDULE = (
    ("Payment", "Due", "Amount"),
    ("Deposit", "15 January 2027", "€7,200.00"),
    ("Monthly rent", "1 February 2027", "€2,450.00"),
    ("Monthly service charge", "1 February 2027", "€310.00"),
    ("Signage fee", "1 February 2027", "€225.00"),
    ("Key and access card fee", "29 January 2027", "€150.00"),
    ("Total due at the start", "1 February 2027", "€10,235.00"),
)
SCHEDULE_NOTES = (
    "The Tenant shall pay the total in one sum to the Landlord’s account and state the reference.",
    "The signage fee and the key fee are non-refundable.",
    "The Landlord shall send a receipt within five working days of each payment.",
)

SCAN_TITLE = "Annex B - Handover record"
SCAN_LINES = (
    "Premises: ground floor studio, 14 Quay Street, Galway",
    "Date of handover: 29 January 2027",
    "Landlord: Ardmore Quay Properties Limited",
    "Tenant: Brightwater Studio Limited",
    "Inspector: Tomas Keane",
    "",
    "1. Condition of the premises",
    "The north window is cracked and the frame is damp. The Landlord",
    "shall replace the window by 26 February 2027 at an estimated cost",
    "of EUR 860.00.",
    "",
    "The heating was tested and works. The floor has scratches near the",
    "entrance, which the Tenant is not liable for.",
    "",
    "2. Keys and meters",
    "Six keys and four access cards were handed over. The Tenant must",
    "pay EUR 45.00 for each key that is lost.",
    "Electricity meter: 48213 kWh. Water meter: 1076 cubic metres.",
    "",
    "3. Agreed at the handover",
    "The Tenant shall clean the courtyard door within 14 days.",
    "The Landlord agrees to reduce the rent of February by EUR 200.00",
    "until the window is replaced.",
    "",
    "Signed by both parties on 29 January 2027.",
)

CLOSING: tuple[Section, ...] = (
    (
        "Annex C. House rules",
        (
            "C.1 Deliveries are to be made between 07:00 and 19:00. The loading bay must be kept clear.",
            "C.2 The Tenant shall separate its waste and must not store flammable goods on the premises.",
            "C.3 Work that changes the building needs the consent of the Landlord. The Landlord may "
            "refuse it at its sole discretion.",
            "C.4 Visitors’ cars that block the courtyard are towed away at the expense of the Tenant.",
        ),
    ),
    (
        "Signatures",
        (
            "Signed for the Landlord in Galway on 14 December 2026: Aoife Lennon, director.",
            "Signed for the Tenant in Galway on 14 December 2026: Jonas Whitfield, managing director.",
            "Signed by the Guarantor on 16 December 2026: Helena Brandt.",
        ),
    ),
)
