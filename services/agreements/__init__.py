"""The register and the written agreements of joint public service (223/2007).

Owns: parties with their names and successors, service points, the authorities' service catalogues, agreements with the
    twelve items of §8, their approvals, amendments and terminations; read tables for *as agreed on* and *as known on*.
Emits: PartyRegistered, PartyRenamed, PartySucceeded, ServicePointRegistered, ServicePointChanged, ServicePointClosed,
    ServiceDefined, AgreementProposed, AgreementApproved, AgreementSigned, AgreementAmended, AgreementTerminated.
Consumes: nothing.
"""
